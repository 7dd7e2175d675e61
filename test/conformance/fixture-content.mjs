/** A red pixel. */
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
/** No sound at all. */
export const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';

export const resources = [
  {
    uri: 'test://static-text',
    name: 'static-text',
    description: 'A static text.',
    mimeType: 'text/plain',
    contents: { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  },
  {
    uri: 'test://static-binary',
    name: 'static-binary',
    description: 'A static image.',
    mimeType: 'image/png',
    contents: { mimeType: 'image/png', blob: PNG },
  },
  {
    uri: 'test://watched-resource',
    name: 'watched-resource',
    description: 'A text that may be watched.',
    mimeType: 'text/plain',
    contents: { mimeType: 'text/plain', text: 'Watched.' },
  },
];

export const templates = [
  {
    uriTemplate: 'test://template/{id}/data',
    name: 'template',
    description: 'Data by id.',
    mimeType: 'application/json',
    read: (uri) => {
      const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
      return (
        id && {
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
        }
      );
    },
  },
];

const user = (content) => ({ role: 'user', content });
const text = (words) => ({ type: 'text', text: words });
const argument = (name, description) => ({ name, description, required: true });

export const prompts = [
  {
    name: 'test_simple_prompt',
    description: 'No arguments.',
    get: () => ({ messages: [user(text('This is a simple prompt for testing.'))] }),
  },
  {
    name: 'test_prompt_with_arguments',
    description: 'Two arguments.',
    arguments: [argument('arg1', 'First test argument'), argument('arg2', 'Second test argument')],
    get: ({ arg1, arg2 }) => ({
      messages: [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
    }),
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'Embeds a resource.',
    arguments: [argument('resourceUri', 'URI of the resource to embed')],
    get: ({ resourceUri }) => ({
      messages: [
        user({
          type: 'resource',
          resource: {
            uri: resourceUri,
            mimeType: 'text/plain',
            text: 'Embedded resource content for testing.',
          },
        }),
        user(text('Please process the embedded resource above.')),
      ],
    }),
  },
  {
    name: 'test_prompt_with_image',
    description: 'Embeds an image.',
    get: () => ({
      messages: [
        user({ type: 'image', data: PNG, mimeType: 'image/png' }),
        user(text('Please analyze the image above.')),
      ],
    }),
  },
  {
    name: 'test_input_required_result_prompt',
    description: 'Asks for its context.',
    get: async (_given, { ask }) => {
      const { user_context } = await ask({
        user_context: {
          method: 'elicitation/create',
          params: {
            mode: 'form',
            message: 'What context should the prompt use?',
            requestedSchema: {
              type: 'object',
              properties: { context: { type: 'string' } },
              required: ['context'],
            },
          },
        },
      });
      return { messages: [user(text(`Context: ${user_context.content?.context}`))] };
    },
  },
];
