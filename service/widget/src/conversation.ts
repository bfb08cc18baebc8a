// The conversation: its turns, what of it the service is told, and its memory for the life of a tab.

import type { Answer, Failure, Message } from "./service.js";

export interface Turn {
  id: number;
  question: string;
  state: "waiting" | "slow" | "done" | "stopped" | "failed";
  reply?: Answer;
  failure?: Failure;
  /** When trying again makes sense, in milliseconds since 1970. */
  retryAt?: number;
  /** The whole passage is shown, not only what stands around the quote. */
  whole?: boolean;
  rating?: "up" | "down";
  feedback?: "asking" | "sending" | "sent" | "failed";
}

const REMEMBERED_TURNS = 20;
const REMEMBERED_CHARACTERS = 16_000;

/** The turns before `turn` as messages, oldest first: as many as the service takes. */
export function messages(turns: Turn[], turn: Turn): Message[] {
  const found: Message[] = [];
  let room = REMEMBERED_CHARACTERS;
  for (const { question, reply } of turns.slice(0, turns.indexOf(turn)).reverse()) {
    if (!reply || found.length >= 2 * REMEMBERED_TURNS) continue;
    const content = reply.answer?.text ?? "The report does not say.";
    room -= question.length + content.length;
    if (room < 0) break;
    found.unshift({ role: "user", content: question }, { role: "assistant", content });
  }
  return found;
}

/** Conversations of this tab. A browser may refuse storage, or hold only so much: then it forgets. */
export class Memory {
  private static readonly taken = new Set<string>();
  private readonly key: string;

  constructor(name: string) {
    let key = `report-chat:1:${name}`;
    while (Memory.taken.has(key)) key += "+"; // a second widget on the page keeps its own
    Memory.taken.add((this.key = key));
  }

  release(): void {
    Memory.taken.delete(this.key);
  }

  load(): Turn[] {
    try {
      const turns = JSON.parse(sessionStorage.getItem(this.key) ?? "[]");
      return Array.isArray(turns) ? turns.filter((turn) => typeof turn?.question === "string") : [];
    } catch {
      return [];
    }
  }

  save(turns: Turn[]): void {
    let kept = turns.map(({ id, question, state, reply, rating, feedback }) => ({
      ...{ id, question, reply, rating },
      state: state === "done" ? state : "stopped",
      feedback: feedback === "sent" ? feedback : undefined,
    }));
    for (;;) {
      try {
        return kept.length ? sessionStorage.setItem(this.key, JSON.stringify(kept)) : sessionStorage.removeItem(this.key);
      } catch {
        if (!kept.length) return;
        kept = kept.slice(Math.ceil(kept.length / 2));
      }
    }
  }
}
