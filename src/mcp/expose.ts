/**
 * `tools`: one MCP tool for each operation. `router`: a single tool that takes the operation as a parameter.
 * `direct`: none; the tools of upstream servers instead.
 */
export type Expose = 'tools' | 'router' | 'direct';

/** Said to the model once; the same path through the operations as their descriptions. */
export const INSTRUCTIONS: Readonly<Record<Expose, string>> = {
  tools:
    'One connection to many MCP servers. Find a tool with search_tools (plain words), read its arguments with get_tool_details, run it with execute_tool; servers start by themselves. Large results come as [Reference: id]: read the part you need with get_content.',
  router:
    'One connection to many MCP servers, behind one tool. Call semantic_router with operation search_tools (plain words) to find a tool, get_tool_details for its arguments, execute_tool to run it; servers start by themselves. Large results come as [Reference: id]: read the part you need with get_content.',
  direct:
    'The tools, resources and prompts of several MCP servers, as they are. Servers start by themselves.',
};
