/** Programs whose arguments are another program: with them nothing that is checked would hold. */
const WRAPPERS = new Set(
  `sh bash dash zsh ksh ash fish csh tcsh rbash cmd powershell pwsh wscript cscript mshta rundll32 regsvr32 busybox env xargs
  sudo doas su nohup setsid script osascript open start xdg-open curl wget nsenter chroot unshare ssh awk gawk sed find expect
  watch time timeout nice ionice stdbuf strace gdb ld.so vim vi emacs make eval exec command`.split(/\s+/),
);

/** Tools of the system, which are no MCP servers and change, carry away or start what their arguments say. */
const SYSTEM_TOOLS = new Set(
  `rm rmdir unlink mv cp dd ln install chmod chown chgrp shred truncate tee split mkfs mount umount kill killall pkill shutdown
  reboot halt poweroff systemctl launchctl service crontab at batch git tar zip unzip rsync scp sftp ftp nc ncat netcat socat
  telnet lua luajit tclsh wish expect guile gcc cc clang mksh yash nu elvish xonsh toybox flock parallel screen tmux dpkg rpm
  apt apt-get yum dnf brew snap pip pip3 gem cargo reg schtasks certutil bitsadmin msiexec`.split(/\s+/),
);

/** Whether a program (by its name, see `programName`) is a shell, runs what its arguments say, or is a tool of the system. */
export function isWrapper(name: string): boolean {
  return WRAPPERS.has(name) || SYSTEM_TOOLS.has(name);
}

/** What a command is, whatever its directory, version and extension: `C:\x\Python3.11.exe` -> `python`. */
export function programName(command: string): string {
  const base = (/[^/\\]*$/.exec(command)?.[0] ?? command)
    .toLowerCase()
    .replace(/\.(exe|cmd|bat|com|ps1)$/, '');
  if (/^(python|pypy)w?[\d.]*$/.test(base)) return 'python';
  if (/^(node|nodejs)[\d.]*$/.test(base)) return 'node';
  if (/^ld[-.].*\.so(\.\d+)*$/.test(base)) return 'ld.so';
  return /^(ruby|perl|php|java|bash|zsh|ksh)[\d.-]+$/.test(base) ? base.replace(/[\d.-]+$/, '') : base;
}
