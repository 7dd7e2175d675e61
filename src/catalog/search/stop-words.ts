const LIST = `a about above after again all also am an and any are as at be because been before being below between
both but by can cannot could did do does doing done down during each else etc ever few for from further had has have
having he hello help her here hers him his how i if in into is it its itself just kindly let like looking may me might
mine more most must my myself need needs no nor not now of off ok on once only or other our ours out over own per
please same shall she should so some such than thank thanks that the their theirs them then there these they this those
through to too tool tools under until up upon us use used using very via want wants was we were what when where whether
which while who whom whose why will wish with within without would yet you your yours able d ll m re s t ve`;

/** Words that say nothing about what a tool does; left out of queries and documents alike. */
export const STOP_WORDS: ReadonlySet<string> = new Set(LIST.split(/\s+/));
