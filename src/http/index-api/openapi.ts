import { z } from 'zod';
import { BASE_PATH, type Route, routes, SECOND_SPELLING } from './routes.js';
import { type AnswerName, answers, type RequestName, requests } from './schemas.js';

type Json = Record<string, unknown>;

/** The OpenAPI 3.1 document of the routes. */
export function openApiDocument(options: { version: string; secured: boolean }): Json {
  const paths: Record<string, Json> = {};
  for (const [id, route] of Object.entries(routes) as [string, Route][]) {
    const path = `${BASE_PATH}${route.path}`;
    paths[path] = { ...paths[path], [route.method]: operation(id, route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'MCP index',
      version: options.version,
      description: `Finds MCP servers and their tools. Field names follow the first spelling; Accept: ${SECOND_SPELLING} asks for the second.`,
    },
    paths,
    components: {
      schemas: { ...components(requests, 'input'), ...components(answers, 'output') },
      ...(options.secured ? { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } } : {}),
    },
    ...(options.secured ? { security: [{ bearer: [] }] } : {}),
  };
}

function components(schemas: Readonly<Record<string, z.ZodType>>, io: 'input' | 'output'): Json {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => {
      const { $schema: _, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
      return [name, json];
    }),
  );
}

function operation(id: string, route: Route): Json {
  const parameters = [
    ...[...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...(route.paged ? pageParameters() : []),
    ...(route.encryptionKey
      ? [
          {
            name: 'X-Encryption-Key',
            in: 'header',
            required: false,
            description: 'The Fernet key that startup configurations are stored under.',
            schema: { type: 'string' },
          },
        ]
      : []),
  ];
  return {
    operationId: id,
    summary: route.summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...requestBody(route),
    responses: {
      [String(route.status ?? 200)]: { description: 'Success', content: contentOf(route.answer) },
      422: { description: 'The request does not fit', content: contentOf('ValidationFailure') },
      default: { description: 'Failure', content: contentOf('Failure') },
    },
  };
}

function pageParameters(): Json[] {
  return Object.entries(requests.Page.shape).map(([name, schema]) => {
    const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input' });
    return { name, in: 'query', required: false, schema: json };
  });
}

function requestBody(route: Route): Json {
  if (route.upload) {
    const schema = {
      type: 'object',
      required: ['file'],
      properties: { file: { type: 'string', contentMediaType: 'application/octet-stream' } },
    };
    return { requestBody: { required: true, content: { 'multipart/form-data': { schema } } } };
  }
  return route.body ? { requestBody: { required: true, content: contentOf(route.body) } } : {};
}

function contentOf(name: RequestName | AnswerName): Json {
  return { 'application/json': { schema: { $ref: `#/components/schemas/${name}` } } };
}
