/** Carried by every process we start, so that what is left over can be told from what is not ours. */
export const MARKER = 'MCP_RUNTIME_MARKER';
