// What is built, wherever it was built to.
const root = process.env.MCP_RUNTIME_DIST ?? new URL('../../dist/', import.meta.url).href;
const load = (path) => import(new URL(path, root).href);
export const { openSession } = await load('upstream/open-session.js');
export const { BRIDGED_CAPABILITIES } = await load('upstream/bridge.js');
export const { login } = await load('upstream/oauth/login.js');
export const { authorizedFetch } = await load('upstream/oauth/authorized-fetch.js');
export const { TokenStore } = await load('upstream/oauth/token-store.js');
export const { silentLogger } = await load('lib/log.js');
