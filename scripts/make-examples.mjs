// Writes examples/animals.jsonl and examples/broken.jsonl; the same bytes at every run: `node scripts/make-examples.mjs`.
import { writeFileSync } from 'node:fs';

const LINES = 1000;

/** mulberry32: small, seeded, the same everywhere. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const random = generator(20240607);
const int = (from, to) => from + Math.floor(random() * (to - from + 1));
const pick = (values) => values[int(0, values.length - 1)];
const often = (share) => random() < share;

const SPECIES = [
  ['lynx', 'Lynx lynx', 'Luchs'],
  ['red-fox', 'Vulpes vulpes', 'Rotfuchs'],
  ['grey-wolf', 'Canis lupus', 'Vlk šedý'],
  ['brown-bear', 'Ursus arctos', 'Бурый медведь'],
  ['wild-boar', 'Sus scrofa', 'Sanglier'],
  ['roe-deer', 'Capreolus capreolus', 'Rådyr'],
  ['red-deer', 'Cervus elaphus', 'Ciervo común'],
  ['badger', 'Meles meles', 'Mäyrä'],
  ['otter', 'Lutra lutra', 'Nutria europea'],
  ['raccoon-dog', 'Nyctereutes procyonoides', 'タヌキ'],
  ['snow-leopard', 'Panthera uncia', '雪豹'],
  ['red-panda', 'Ailurus fulgens', '小熊猫'],
  ['ibex', 'Capra ibex', 'Bouquetin des Alpes'],
  ['chamois', 'Rupicapra rupicapra', 'Gämse'],
  ['golden-eagle', 'Aquila chrysaetos', 'Kongeørn'],
  ['eagle-owl', 'Bubo bubo', 'Búho real'],
  ['capercaillie', 'Tetrao urogallus', 'Tjäder'],
  ['hedgehog', 'Erinaceus europaeus', 'Jeż'],
  ['pine-marten', 'Martes martes', 'Kuna leśna'],
  ['arctic-hare', 'Lepus arcticus', 'ᐅᑲᓕᖅ'],
];
const PHOTOGRAPHERS = [
  'Zoë Müller',
  'Jón Þórsson',
  '田中 美咲',
  'Amélie Lefèvre',
  "Siobhán O'Neill",
  'Łukasz Wójcik',
  'Priya Raman',
  'Kwame Mensah',
  null,
];
const PLACES = [
  { name: 'Białowieża', country: 'PL', lat: 52.7, lon: 23.87 },
  { name: 'Tromsø', country: 'NO', lat: 69.65, lon: 18.96 },
  { name: 'Graubünden', country: 'CH', lat: 46.65, lon: 9.63 },
  { name: '札幌', country: 'JP', lat: 43.06, lon: 141.35 },
  { name: 'Picos de Europa', country: 'ES', lat: 43.19, lon: -4.85 },
  { name: 'Langtang', country: 'NP', lat: 28.21, lon: 85.52 },
  { name: 'Þingvellir', country: 'IS', lat: 64.26, lon: -21.13 },
];
const NOTES = [
  'at dusk, back-lit',
  'camera trap #7',
  'two cubs 🐾🐾',
  'behind a "no entry" sign',
  'blurred\nsecond frame of three',
  'cropped 4:3 \\ original kept',
];
const EXTENSIONS = ['jpg', 'jpg', 'jpg', 'png', 'webp'];

function overrides(index, slug) {
  if (index % 97 === 50)
    return {
      label_spec: { question: `Is this a ${slug.replace('-', ' ')}?`, options: ['yes', 'no', 'cannot tell'] },
    };
  if (index % 83 === 40) return { consensus_threshold: int(2, 5) };
  if (index % 211 === 100)
    return {
      type: 'moderation',
      label_spec: { question: 'May this picture be shown to children?', options: ['yes', 'no'] },
    };
  if (index % 301 === 150) return { idempotency_key: `animals-2024-${index}` };
  return {};
}

function animal(index) {
  const [slug, latin, local] = pick(SPECIES);
  const place = pick(PLACES);
  const taken = new Date(Date.UTC(2019, 0, 1) + int(0, 5 * 365 * 86_400) * 1000);
  const metadata = {
    sku: `ANM-${String(index).padStart(5, '0')}`,
    species: often(0.9) ? { latin, local } : latin,
    photographer: pick(PHOTOGRAPHERS),
    taken_at: taken.toISOString(),
    ...(often(0.8)
      ? {
          location: {
            ...place,
            lat: +(place.lat + random() / 10).toFixed(5),
            lon: +(place.lon + random() / 10).toFixed(5),
          },
        }
      : {}),
    ...(often(0.5)
      ? {
          camera: {
            model: pick(['Reconyx HF2X', 'α7 IV', 'EOS R5']),
            iso: pick([100, 400, 1600, 6400]),
            flash: often(0.2),
          },
        }
      : {}),
    ...(often(0.3) ? { notes: pick(NOTES) } : {}),
    ...(often(0.4) ? { tags: [slug, pick(['winter', 'spring', 'night', 'été'])] } : {}),
  };
  const url = `https://images.example.org/${slug}/${taken.getUTCFullYear()}/${index.toString(36).padStart(4, '0')}-${int(1000, 9999)}.${pick(EXTENSIONS)}`;
  return { data_url: url, metadata, ...overrides(index, slug) };
}

const animals = Array.from({ length: LINES }, (_, i) => animal(i + 1));
const folder = new URL('../examples/', import.meta.url);
writeFileSync(new URL('animals.jsonl', folder), animals.map((line) => `${JSON.stringify(line)}\n`).join(''));

const url = 'https://images.example.org/broken/1.jpg';
const json = (fields) => JSON.stringify({ data_url: url, ...fields });
const spec = (question, options) => json({ label_spec: { question, options } });
/** One line for each way of being broken, in the order of the file. */
const BROKEN = [
  '{"data_url": "https://images.example.org/broken/cut.jpg", "metadata": {"sku": "ANM-9',
  "{'data_url': 'https://images.example.org/broken/quotes.jpg'}",
  `${json({})},`,
  'data_url,metadata',
  `[${json({})}]`,
  '42',
  '"https://images.example.org/broken/string.jpg"',
  'null',
  '{"metadata": {"sku": "no data_url"}}',
  json({ data_url: '' }),
  json({ data_url: 'ftp://images.example.org/broken/ftp.jpg' }),
  json({ data_url: ['https://images.example.org/broken/array.jpg'] }),
  json({ data_url: 'images.example.org/no-scheme.jpg' }),
  json({ type: '' }),
  json({ consensus_threshold: 1 }),
  json({ consensus_threshold: '3' }),
  spec('Which animal?', ['lynx']),
  spec('', ['lynx', 'fox']),
  spec('Which animal?', ['lynx', 'lynx']),
  json({ label_spec: 'Which animal?' }),
  json({ idempotency_key: 7 }),
  Buffer.concat([
    Buffer.from('{"data_url": "https://images.example.org/broken/latin1.jpg", "metadata": "Troms'),
    Buffer.from([0xf8]),
    Buffer.from('"}'),
  ]),
  `{"data_url": "${url}", "metadata": "NUL \0 inside"}`,
  `{"data_url": "${url}", "metadata": ${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
  json({ metadata: 'x'.repeat(1_100_000) }),
];

const good = Array.from({ length: 30 }, (_, i) => JSON.stringify(animal(LINES + 1 + i)));
const parts = ['\ufeff'];
for (const [i, line] of BROKEN.entries()) {
  // Windows' line ends and blank lines are no failures.
  parts.push(good[i], i % 4 === 1 ? '\r\n' : '\n', line, i % 6 === 2 ? '\r\n' : '\n');
  if (i % 8 === 5) parts.push('  \r\n\n');
}
parts.push(good.slice(BROKEN.length).join('\n'));
writeFileSync(new URL('broken.jsonl', folder), Buffer.concat(parts.map((part) => Buffer.from(part))));
