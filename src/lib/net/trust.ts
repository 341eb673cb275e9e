import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import { usageError } from '../errors.js';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * Trusts the certificates of a PEM file in every TLS connection of this process, beside those it trusts already: the
 * Gateway's, sources', stores', Redis'. To be called before the first of them.
 *
 * @throws IngestError `usage` when the file holds none
 */
export function trustAlso(file: string, as: string): void {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw usageError(as, `${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0)
    throw usageError(as, `${file} holds no certificate`, {
      hint: 'a PEM file is wanted, with -----BEGIN CERTIFICATE-----; openssl x509 -inform der -in <file> makes one',
    });
  const node = tls as typeof tls & {
    getCACertificates?: (type: string) => string[];
    setDefaultCACertificates?: (certificates: string[]) => void;
  };
  if (node.getCACertificates !== undefined && node.setDefaultCACertificates !== undefined) {
    node.setDefaultCACertificates([...node.getCACertificates('default'), ...certificates]);
    return;
  }
  // Before Node 22.19, only this reaches the connections of every library.
  const { createSecureContext } = tls;
  tls.createSecureContext = (options) => {
    const context = createSecureContext(options);
    if (options?.ca === undefined)
      for (const certificate of certificates)
        (context.context as { addCACert(pem: string): void }).addCACert(certificate);
    return context;
  };
}
