import type { AnswerName, RequestName } from './schemas.js';

export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** After `/api/mcp`, with `{server}` and `{tool}`. */
  readonly path: string;
  readonly summary: string;
  readonly body?: RequestName;
  /** Takes a file in a multipart form instead of a body. */
  readonly upload?: true;
  readonly paged?: true;
  readonly encryptionKey?: true;
  readonly status?: 201;
  readonly answer: AnswerName;
}

/** The API as data: the handlers, the OpenAPI document and the answers to wrong methods are derived from it. */
export const routes = {
  search_tools: {
    method: 'post',
    path: '/tools/search',
    summary: 'Find tools by what they do',
    body: 'ToolSearch',
    answer: 'ToolsFound',
  },
  search_servers: {
    method: 'post',
    path: '/servers/search',
    summary: 'Find servers by what they do',
    body: 'ServerSearch',
    answer: 'ServersFound',
  },
  add_servers_bulk: {
    method: 'post',
    path: '/servers/bulk',
    summary: 'Add the servers of an uploaded mcpServers file',
    upload: true,
    answer: 'BulkAnswer',
  },
  list_servers: {
    method: 'get',
    path: '/servers',
    summary: 'List all servers',
    paged: true,
    answer: 'ServerList',
  },
  add_server: {
    method: 'post',
    path: '/servers',
    summary: 'Start, list and index a server',
    body: 'ServerAdd',
    status: 201,
    answer: 'ServerAnswer',
  },
  get_server: { method: 'get', path: '/servers/{server}', summary: 'One server', answer: 'ServerAnswer' },
  update_server: {
    method: 'put',
    path: '/servers/{server}',
    summary: 'Change how a server is started',
    body: 'ServerUpdate',
    answer: 'ServerAnswer',
  },
  delete_server: {
    method: 'delete',
    path: '/servers/{server}',
    summary: 'Remove a server and its tools',
    answer: 'Message',
  },
  list_tools: {
    method: 'get',
    path: '/servers/{server}/tools',
    summary: 'The tools of a server',
    paged: true,
    answer: 'ToolList',
  },
  get_tool: { method: 'get', path: '/servers/{server}/tools/{tool}', summary: 'One tool', answer: 'Tool' },
  get_command: {
    method: 'get',
    path: '/servers/{server}/command',
    summary: 'How to start a server',
    encryptionKey: true,
    answer: 'StartupConfig',
  },
  statistics: { method: 'get', path: '/statistics', summary: 'How much is indexed', answer: 'Statistics' },
} as const satisfies Record<string, Route>;

export type RouteId = keyof typeof routes;

export const BASE_PATH = '/api/mcp';
/** Asks for the second spelling when it stands in Accept. */
export const SECOND_SPELLING = 'application/vnd.mcp-index.v2+json';
