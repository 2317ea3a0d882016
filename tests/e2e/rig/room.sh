# Builds a room and keeps it: run by room.py as the first process of new mount, pid and host name namespaces.
#
#   room.sh FOLDER TREE HOSTNAME       FOLDER's parent is what the room shares with the machine
#
# Says its pid on the machine, then echoes its input once the room can be entered; ends, and with it every process
# inside, when its input ends.
set -eu
folder=$1 tree=$2 name=$3
read -r pid _ </proc/self/stat
hostname "$name"

# From here on no mount is seen outside. Said of the namespace's own root, since in a chroot / need not be a mount.
nsenter --mount=/proc/self/ns/mnt mount --make-rprivate /

room=$folder/room root=$folder/room/root
mount -t tmpfs -o mode=755 sendquota-room "$room"
mkdir -m 755 "$root" "$room/work"
# Copied, because the kernel refuses a layer (the tree) that lies inside another one (/).
cp -a "$tree" "$room/upper"
mount -t overlay -o "lowerdir=/,upperdir=$room/upper,workdir=$room/work" sendquota-room "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 sendquota-run "$root/run"
shared=${folder%/*}
mkdir -p "$root$shared"
mount --bind "$shared" "$root$shared"
chmod 755 "$root/tmp" # the room's own; Sendmail calls a socket unsafe below a folder that anybody may write to

# A /dev of its own, so that syslog(3) inside reaches the rig and not the machine's journal.
mount -t tmpfs -o mode=755 sendquota-dev "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s "$folder/syslog.sock" "$root/dev/log"

# The first process of the room: echoes, which shows that the room can be entered, and ends with its input. Orphans of
# the room are reaped by the kernel because it ignores SIGCHLD.
echo "$pid"
exec chroot "$root" env --ignore-signal=CHLD cat
