const escaped =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0]|\u034f|[\ufe00-\ufe0f]|[\u{e0100}-\u{e01ef}]|(?! )\p{Zs}/gu;

/** What nobody sees and what a terminal obeys, line ends too, written out as `\u{...}`. */
export function escapeUnseen(text: string): string {
  return text.replace(escaped, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** The same in JSON, which stays JSON of the same value. */
export function escapeUnseenJson(json: string): string {
  return json.replace(escaped, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** A text exactly as it is, quoted, on one line, with everything escaped that a terminal would obey or that cannot be seen. */
export const exact = (text: string): string => escapeUnseen(JSON.stringify(text));
