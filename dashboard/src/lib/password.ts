/** The rules for a new password that can be told while typing; the server has the last word. */

const MIN_LENGTH = 12;
const MIN_DIFFERENT = 5;

export interface Rule {
  readonly text: string;
  readonly met: boolean;
}

/** Each rule and whether `wanted` meets it. */
export function rules(wanted: string, old: string, username: string): Rule[] {
  const typed = wanted !== '';
  return [
    { text: `At least ${MIN_LENGTH} characters`, met: wanted.length >= MIN_LENGTH },
    { text: `At least ${MIN_DIFFERENT} different characters`, met: new Set(wanted).size >= MIN_DIFFERENT },
    { text: 'Not the old password', met: typed && wanted !== old },
    {
      text: 'Your user name is not part of it',
      met: typed && !wanted.toLowerCase().includes(username.toLowerCase()),
    },
  ];
}
