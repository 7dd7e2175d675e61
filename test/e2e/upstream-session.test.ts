import { upstreamSessionContract } from '../contract/upstream-session.js';
import { fixture } from '../support/processes.js';
import { stdioDefinition } from '../support/upstream.js';

upstreamSessionContract('stdio', async ({ log }) =>
  stdioDefinition(fixture('good-server.mjs'), [], { env: { HOSTILE_LOG: log } }),
);
