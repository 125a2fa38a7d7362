"""This module is the inventory of a busybox image, so that a command which cannot exist there is noticed."""

_NAMES = """
    [ [[ acpid addgroup adduser adjtimex arch arp arping ash awk base32 base64 basename bc blkid bunzip2 bzcat
    bzip2 cal cat chattr chgrp chmod chown chpasswd chroot chrt chvt cksum clear cmp comm cp cpio crond
    crontab cryptpw cttyhack cut date dc dd deallocvt delgroup deluser depmod devmem df dhcprelay diff dirname
    dmesg dnsd dnsdomainname dos2unix du dumpkmap dumpleases echo ed egrep eject env envdir ether-wake expand
    expr factor fallocate false fatattr fbset fdflush fdformat fdisk fgrep find findfs flock fold free
    freeramdisk fsck fsfreeze fstrim fsync ftpd ftpget ftpput fuser getopt getty grep groups gunzip gzip halt
    hd hdparm head hexdump hexedit hostid hostname httpd hwclock i2cget id ifconfig ifdown ifenslave ifplugd
    ifup inetd init insmod install ionice iostat ip ipaddr ipcalc ipcrm ipcs iplink ipneigh iproute iprule
    iptunnel kbd_mode kill killall killall5 klogd last less link linux32 linux64 ln loadfont loadkmap logger
    login logname logread losetup lpd lpq lpr ls lsattr lsmod lsof lspci lsscsi lsusb lzcat lzma lzop makedevs
    makemime man md5sum mdev mesg microcom mkdir mkdosfs mke2fs mkfifo mkfs.ext2 mknod mkpasswd mkswap mktemp
    modinfo modprobe more mount mountpoint mpstat mt mv nameif nanddump nandwrite nbd-client nc netstat nice
    nl nmeter nohup nologin nproc nsenter nslookup ntpd nuke od openvt partprobe passwd paste patch pgrep
    pidof ping ping6 pipe_progress pivot_root pkill pmap popmaildir poweroff powertop printenv printf ps pscan
    pstree pwd pwdx raidautorun rdate rdev readahead readlink readprofile realpath reboot reformime
    remove-shell renice reset resize resume rev rm rmdir rmmod route rpm rpm2cpio rtcwake run-init run-parts
    runlevel runsv runsvdir rx script scriptreplay sed sendmail seq setarch setconsole setfattr setfont
    setkeycodes setlogcons setpriv setserial setsid setuidgid sh sha1sum sha256sum sha3sum sha512sum showkey
    shred shuf slattach sleep smemcap softlimit sort split ssl_client start-stop-daemon stat strings stty su
    sulogin sum sv svc svlogd svok swapoff swapon switch_root sync sysctl syslogd tac tail tar taskset tcpsvd
    tee telnet telnetd test tftp tftpd time timeout top touch tr traceroute traceroute6 tree true truncate ts
    tty ttysize tunctl ubiattach udhcpc udhcpc6 udhcpd udpsvd uevent umount uname unexpand uniq unix2dos
    unlink unlzma unshare unxz unzip uptime users usleep uudecode uuencode vconfig vi vlock volname w wall
    watch watchdog wc wget which who whoami whois xargs xxd xz xzcat yes zcat zcip
"""

EMULATED = frozenset(
    [
        "[",
        "[[",
        "agnhost",
        "basename",
        "cat",
        "chgrp",
        "chmod",
        "chown",
        "cp",
        "cut",
        "date",
        "dd",
        "dirname",
        "egrep",
        "env",
        "fgrep",
        "find",
        "grep",
        "head",
        "hostname",
        "httpd",
        "id",
        "ifconfig",
        "ip",
        "ls",
        "mkdir",
        "mv",
        "nc",
        "netstat",
        "nslookup",
        "pgrep",
        "pidof",
        "ping",
        "ping6",
        "printenv",
        "printf",
        "ps",
        "realpath",
        "rm",
        "rmdir",
        "route",
        "sed",
        "seq",
        "sort",
        "stat",
        "sync",
        "tail",
        "tee",
        "test",
        "top",
        "touch",
        "tr",
        "uname",
        "uniq",
        "wc",
        "wget",
        "whoami",
        "yes",
    ]
)
"""The commands that need the emulated shell; listed here so that who only sleeps does not load them."""

BUSYBOX = frozenset(_NAMES.split())
"""The commands of a busybox image, emulated or not."""
