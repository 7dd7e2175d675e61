import { oneOf } from '../lib/pieces.js';
import type { ChannelSink, MessageChannel } from './channel.js';
import type { Concealer } from './conceal.js';

/** What comes from a server, without what it must not repeat: before anybody reads, keeps or passes it on. */
export function concealedSink(sink: ChannelSink, conceal: Concealer): ChannelSink {
  return {
    message: (bytes, of) => sink.message(conceal.bytes(oneOf(bytes)), of),
    tooLong: ({ head, tail, bytes }) =>
      sink.tooLong({ head: conceal.bytes(head), tail: conceal.bytes(tail), bytes }),
    down: (end) => sink.down(conceal.end(end)),
    renew: () => sink.renew(),
  };
}

/** The same for what the channel itself says of it. */
export function concealedChannel(channel: MessageChannel, conceal: Concealer): MessageChannel {
  const ended = channel.ended.then((end) => conceal.end(end));
  return {
    pid: channel.pid,
    ended,
    send: (message) =>
      channel.send(message).catch((error: unknown) => {
        throw conceal.error(error);
      }),
    release: (id, answered) => channel.release(id, answered),
    useVersion: (version) => channel.useVersion(version),
    close: (pace) => channel.close(pace).then((end) => conceal.end(end)),
  };
}
