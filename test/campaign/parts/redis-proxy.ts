import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { commandName, createFrames } from './resp.js';

/** What becomes of a command: it goes on; it is answered with an error and not sent; it is sent and its answer is lost. */
export type Verdict = 'pass' | 'lose' | { error: string };

export interface RedisProxy {
  port: number;
  /** Decides over each command that does work; null lets all pass. */
  fault: ((command: string) => Verdict) | null;
  /** Nothing more passes in either direction, and no connection is closed. */
  freeze(): void;
  thaw(): void;
  /** Cuts every connection. */
  cut(): void;
  close(): Promise<void>;
}

/** Of setting up a connection, which no fault touches. */
const SET_UP = new Set(['HELLO', 'AUTH', 'CLIENT', 'SELECT', 'INFO', 'PING', 'QUIT', 'COMMAND', 'SCRIPT']);
const LISTENS = new Set(['SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE', 'MONITOR']);
/** Makes Redis refuse the transaction that it is queued in. */
const REFUSED = Buffer.from('*1\r\n$7\r\nREFUSED\r\n');
const PUSH = '>'.charCodeAt(0);

/** A command whose answer has not been passed on yet. */
interface Pending {
  verdict: Verdict;
  /** Whether Redis will answer it. */
  sent: boolean;
}

/** A proxy in front of a Redis server that knows where commands and answers begin and end. */
export async function startRedisProxy(target: number): Promise<RedisProxy> {
  const open = new Set<Socket>();
  let frozen = false;

  function connection(client: Socket): void {
    const server = connect(target, '127.0.0.1');
    const pending: Pending[] = [];
    let [listening, inMulti] = [false, false];
    const cut = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      open.add(socket);
      socket.on('error', cut).on('close', () => {
        open.delete(socket);
        // A frozen connection's other end learns nothing.
        if (!frozen) cut();
      });
      if (frozen) socket.pause();
    }

    /** Passes on the errors that are next in turn. */
    function answerErrors(): void {
      while (pending[0] !== undefined && !pending[0].sent) {
        const { verdict } = pending.shift() as Pending;
        if (typeof verdict === 'object') client.write(`-${verdict.error}\r\n`);
      }
    }

    const commands = createFrames((frame) => {
      const name = commandName(frame);
      if (LISTENS.has(name)) listening = true;
      if (listening) return void server.write(frame);
      const spared = SET_UP.has(name) || name === 'MULTI' || name === 'EXEC' || name === 'DISCARD';
      const verdict = spared ? 'pass' : (proxy.fault?.(name) ?? 'pass');
      if (name === 'MULTI') inMulti = true;
      if (name === 'EXEC' || name === 'DISCARD') inMulti = false;
      const refused = typeof verdict === 'object';
      pending.push({ verdict, sent: !refused || inMulti });
      if (!refused) server.write(frame);
      else if (inMulti) server.write(REFUSED);
      else answerErrors();
    });
    const answers = createFrames((frame) => {
      if (listening || frame[0] === PUSH) return void client.write(frame);
      const verdict = pending.shift()?.verdict ?? 'pass';
      if (verdict === 'lose') return cut();
      client.write(verdict === 'pass' ? frame : `-${verdict.error}\r\n`);
      answerErrors();
    });
    client.on('data', commands);
    server.on('data', answers);
  }

  const listener = createServer(connection).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const proxy: RedisProxy = {
    port: (listener.address() as AddressInfo).port,
    fault: null,
    freeze() {
      frozen = true;
      for (const socket of open) socket.pause();
    },
    thaw() {
      frozen = false;
      for (const socket of open) socket.resume();
    },
    cut() {
      for (const socket of open) socket.resetAndDestroy();
    },
    async close() {
      const closed = once(listener, 'close');
      listener.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
  return proxy;
}
