import { type LookupAddress, type LookupAllOptions, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';
import { IngestError } from '../errors.js';

/** The place of an address. `internal`: neither public nor this machine, e.g. metadata services. */
export type AddressKind = 'public' | 'loopback' | 'internal';

/** Which addresses may be connected to. */
export type AddressRule = (kind: AddressKind) => boolean;

export const publicOnly: AddressRule = (kind) => kind === 'public';

/**
 * For an address that the user named, and its redirects. The first connection may go anywhere. If it was to a public
 * address, the others must be public too. So no outsider can lead a program to an internal address.
 */
export function noInternalAfterPublic(): AddressRule {
  let first: AddressKind | undefined;
  return (kind) => {
    first ??= kind;
    return first !== 'public' || kind === 'public';
  };
}

export function kindOf(address: string): AddressKind {
  // `process` takes IPv4 out of IPv6.
  let parsed = ipaddr.process(address.replace(/%.*$/, ''));
  // NAT64 addresses hold an IPv4 address too.
  if (parsed.range() === 'rfc6052') parsed = ipaddr.fromByteArray(parsed.toByteArray().slice(-4));
  const range = parsed.range();
  if (range === 'unicast') return 'public';
  return range === 'loopback' ? 'loopback' : 'internal';
}

/** The kind of a host when no DNS is needed: an address or a loopback name. Null for other names. */
export function kindOfHost(hostname: string): AddressKind | null {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return kindOf(host);
  return /(^|\.)localhost\.?$/i.test(host) ? 'loopback' : null;
}

type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** For tests: other ways to resolve names and to classify addresses. */
interface Overrides {
  resolve?: Resolve;
  kind?: (address: string) => AddressKind;
}

/**
 * A connector for undici that asks the rule before it connects. The resolved address of a name is checked, at every
 * hop of a redirect to another origin. A refusal is an `IngestError` `manifest`.
 */
export function guardedConnect(
  rule: AddressRule,
  { resolve = lookup as Resolve, kind = kindOf }: Overrides = {},
): buildConnector.connector {
  const refusal = (host: string, address: string) =>
    rule(kind(address))
      ? null
      : new IngestError('manifest', `${host} leads to ${address}, which is not a public address`, {
          hint: 'what comes from elsewhere is not followed to loopback, private and link-local addresses',
        });
  const checked: LookupFunction = (hostname, options, callback) =>
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      for (const { address } of addresses) {
        const refused = refusal(hostname, address);
        if (refused) return callback(refused, []);
      }
      const [first] = addresses;
      if (options.all || first === undefined) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  const connect = buildConnector({ lookup: checked });
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, '');
    const refused = isIP(host) === 0 ? null : refusal(host, host);
    if (refused) queueMicrotask(() => callback(refused, null));
    else connect(options, callback);
  };
}
