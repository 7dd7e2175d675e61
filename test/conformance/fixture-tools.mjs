import { PNG, WAV } from './fixture-content.mjs';

const text = (words) => ({ content: [{ type: 'text', text: words }] });
const none = { type: 'object', properties: {} };
const tool = (name, run, inputSchema = none) => ({
  name,
  description: `Fixture: ${name}.`,
  inputSchema,
  run,
});

const form = (message, properties, required = Object.keys(properties)) => ({
  method: 'elicitation/create',
  params: { mode: 'form', message, requestedSchema: { type: 'object', properties, required } },
});
const sampling = (words, maxTokens = 100) => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: words } }], maxTokens },
});
const roots = { method: 'roots/list', params: {} };
const string = { type: 'string' };
const said = ({ action, content }) => `action=${action}, content=${JSON.stringify(content ?? {})}`;

const plain = [
  tool('test_simple_text', () => text('This is a simple text response for testing.')),
  tool('test_image_content', () => ({ content: [{ type: 'image', data: PNG, mimeType: 'image/png' }] })),
  tool('test_audio_content', () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] })),
  tool('test_embedded_resource', () => ({
    content: [
      {
        type: 'resource',
        resource: {
          uri: 'test://embedded-resource',
          mimeType: 'text/plain',
          text: 'This is an embedded resource content.',
        },
      },
    ],
  })),
  tool('test_multiple_content_types', () => ({
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      { type: 'image', data: PNG, mimeType: 'image/png' },
      {
        type: 'resource',
        resource: {
          uri: 'test://mixed-content-resource',
          mimeType: 'application/json',
          text: '{"test":"data","value":123}',
        },
      },
    ],
  })),
  tool('test_error_handling', () => ({
    ...text('This tool intentionally returns an error for testing'),
    isError: true,
  })),
  tool('json_schema_2020_12_tool', () => text('ok'), {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    $defs: {
      address: { $anchor: 'addressDef', type: 'object', properties: { street: string, city: string } },
    },
    properties: {
      name: string,
      address: { $ref: '#/$defs/address' },
      contactMethod: { type: 'string', enum: ['phone', 'email'] },
      phone: string,
      email: string,
    },
    allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
    if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { required: ['phone'] },
    else: { required: ['email'] },
    additionalProperties: false,
  }),
];

const talking = [
  tool('test_tool_with_logging', async (_given, { log, sleep }) => {
    log('info', 'Tool execution started');
    await sleep(50);
    log('info', 'Tool processing data');
    await sleep(50);
    log('info', 'Tool execution completed');
    return text('Logged three times.');
  }),
  tool('test_logging_tool', (_given, { log }) => {
    log('info', 'Only for those who asked for it');
    return text('Logged.');
  }),
  tool('test_tool_with_progress', async (_given, { progress, sleep }) => {
    for (const done of [0, 50, 100]) {
      progress(done, 100);
      await sleep(50);
    }
    return text('Reported three times.');
  }),
  tool('test_reconnection', async (_given, { sleep }) => {
    await sleep(100);
    return text('Reconnection is left to the transport.');
  }),
  tool('test_trigger_tool_change', (_given, { changed }) => {
    changed('tools');
    return text('Said that the tools changed.');
  }),
  tool('test_trigger_prompt_change', (_given, { changed }) => {
    changed('prompts');
    return text('Said that the prompts changed.');
  }),
];

const asking = [
  tool(
    'test_sampling',
    async ({ prompt }, { ask }) => {
      const { answer } = await ask({ answer: sampling(prompt) });
      return text(`LLM response: ${answer.content?.text}`);
    },
    { type: 'object', properties: { prompt: string }, required: ['prompt'] },
  ),
  tool(
    'test_elicitation',
    async ({ message }, { ask }) => {
      const { answer } = await ask({ answer: form(message, { username: string, email: string }) });
      return text(`User response: ${said(answer)}`);
    },
    { type: 'object', properties: { message: string }, required: ['message'] },
  ),
  tool('test_elicitation_sep1034_defaults', async (_given, { ask }) => {
    const properties = {
      name: { type: 'string', default: 'John Doe' },
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
      verified: { type: 'boolean', default: true },
    };
    const { answer } = await ask({ answer: form('Check the defaults', properties, []) });
    return text(`Elicitation completed: ${said(answer)}`);
  }),
  tool('test_elicitation_sep1330_enums', async (_given, { ask }) => {
    const options = ['option1', 'option2', 'option3'];
    const titled = (names) => names.map((title, index) => ({ const: `value${index + 1}`, title }));
    const properties = {
      untitledSingle: { type: 'string', enum: options },
      titledSingle: { type: 'string', oneOf: titled(['First Option', 'Second Option', 'Third Option']) },
      legacyEnum: {
        type: 'string',
        enum: ['opt1', 'opt2', 'opt3'],
        enumNames: ['Option One', 'Option Two', 'Option Three'],
      },
      untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
      titledMulti: {
        type: 'array',
        items: { anyOf: titled(['First Choice', 'Second Choice', 'Third Choice']) },
      },
    };
    const { answer } = await ask({ answer: form('Choose', properties, []) });
    return text(`Elicitation completed: ${said(answer)}`);
  }),
  tool('test_streaming_elicitation', async (_given, { ask, progress }) => {
    progress(1, 2);
    const { answer } = await ask({ answer: form('Continue?', { ok: { type: 'boolean' } }) });
    return text(said(answer));
  }),
  tool('test_missing_capability', async (_given, { ask, capabilities, missing }) => {
    if (!capabilities.sampling) missing('sampling');
    const { answer } = await ask({ answer: sampling('Anything') });
    return text(`${answer.content?.text}`);
  }),
];

const name = form('What is your name?', { name: string });
const rounds = [
  tool('test_input_required_result_elicitation', async (_given, { ask }) => {
    const { user_name } = await ask({ user_name: name });
    return text(`Hello, ${user_name.content?.name}!`);
  }),
  tool('test_input_required_result_sampling', async (_given, { ask }) => {
    const { capital_question } = await ask({ capital_question: sampling('What is the capital of France?') });
    return text(`${capital_question.content?.text}`);
  }),
  tool('test_input_required_result_list_roots', async (_given, { ask }) => {
    const { client_roots } = await ask({ client_roots: roots });
    return text(`Roots: ${(client_roots.roots ?? []).map(({ uri }) => uri).join(', ')}`);
  }),
  tool('test_input_required_result_request_state', async (_given, { ask, modern, state }) => {
    await ask({ confirm: form('Please confirm', { ok: { type: 'boolean' } }) }, 'confirming');
    return text(!modern || state === 'confirming' ? 'state-ok' : 'the state is missing');
  }),
  tool('test_input_required_result_multiple_inputs', async (_given, { ask }) => {
    const answers = await ask(
      { user_name: name, greeting: sampling('Generate a greeting', 50), client_roots: roots },
      'several',
    );
    return text(`${answers.greeting.content?.text} ${answers.user_name.content?.name}`);
  }),
  tool('test_input_required_result_multi_round', async (_given, { ask, modern, state }) => {
    const step1 = { step1: form('Step 1: What is your name?', { name: string }) };
    const step2 = { step2: form('Step 2: What is your favorite color?', { color: string }) };
    if (!modern || state === undefined) await ask(step1, 'round-1');
    if (state === 'round-1') await ask(step1, 'round-1');
    const { step2: answer } = await ask(step2, 'round-2');
    return text(`Your color is ${answer.content?.color}`);
  }),
  tool('test_input_required_result_tampered_state', async (_given, { ask }) => {
    await ask({ confirm: form('Please confirm', { ok: { type: 'boolean' } }) }, 'untouched');
    return text('The state was untouched.');
  }),
  tool('test_input_required_result_capabilities', async (_given, { ask, capabilities }) => {
    const answers = await ask({
      ...(capabilities.elicitation ? { user_name: name } : {}),
      ...(capabilities.sampling ? { capital_question: sampling('What is the capital of France?') } : {}),
    });
    return text(JSON.stringify(answers));
  }),
];

export const tools = [...plain, ...talking, ...asking, ...rounds];
