import { stem } from './stem.js';

// Words that people and tools use for the same thing, one group a line: general vocabulary of software and offices, of
// no catalogue in particular. A word may stand in several groups.
const GROUPS = `delete remove erase drop discard purge destroy rid clear trash wipe forget
create add make new insert generate start write compose build
list show enumerate display view browse see
get retrieve fetch obtain read load lookup grab pull
update edit modify change alter adjust revise
search find query lookup locate discover look
send post deliver publish share
run execute invoke launch start trigger
stop kill terminate end halt cancel abort
rename move relocate
copy duplicate clone fork
merge combine join unite
split divide separate
save store write persist record remember
recall remember memory
compare diff difference
convert transform translate change
summarize summarise summary digest
analyze analyse analysis
verify validate check test
buy purchase order
upload attach
download save
subscribe follow watch
repo repository
dir directory folder
db database sql
k8s kubernetes
pr pull
msg message
img image picture photo pic
doc document
docs documentation
config configuration setting preference
auth authentication authorization login
env environment
app application
email mail inbox
log history
price quote cost rate
stock share equity ticker
screenshot capture snapshot
url link
weather forecast
directions route navigation
event meeting appointment
calendar schedule
todo task
issue ticket bug
comment reply answer
info information detail metadata
size big large
user member person account
teammate colleague coworker member
profile contact
colour color
video movie film clip
song track music
latest recent newest
current now today
statistic stat metric analytics
invoice bill
customer client
employee staff
spreadsheet sheet excel
page website site
article post story
crypto cryptocurrency coin
flight plane airline
hotel accommodation lodging stay
car vehicle
restaurant dining
near nearby around
job position vacancy
note memo
function method
param parameter argument
max maximum
min minimum
num number count
org organization organisation
dev development developer
vm machine instance
chart graph plot diagram
phone telephone
review feedback rating opinion
lyrics text
disk drive storage
timezone clock`;

/** How much a synonym counts against the word that was said. */
export const SYNONYM_WEIGHT = 0.3;

const BY_STEM = new Map<string, Set<string>>();
for (const group of GROUPS.split('\n')) {
  const stems = group.split(' ').map(stem);
  for (const word of stems) {
    const others = BY_STEM.get(word) ?? new Set<string>();
    for (const other of stems) if (other !== word) others.add(other);
    BY_STEM.set(word, others);
  }
}

/** The stems that may stand for the stem `word`; itself is not among them. */
export function synonymsOf(word: string): ReadonlySet<string> {
  return BY_STEM.get(word) ?? NONE;
}

const NONE: ReadonlySet<string> = new Set();
