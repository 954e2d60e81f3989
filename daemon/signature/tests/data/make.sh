#!/bin/sh
# Makes the OpenPGP test data anew, with the real gpg and git, at times that never change: ./make.sh
# NAME.asc is a certificate, NAME.commit a raw commit that was signed. The private keys are thrown away.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rc=$?; [ $rc = 0 ] || tail -20 "$work/log" >&2; for home in "$work"/*/; do gpgconf --homedir "$home" --kill all; done; rm -rf "$work"' EXIT
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null LC_ALL=C
git init -q "$work/repository.git" --bare
tree=$(git -C "$work/repository.git" mktree </dev/null)

# home NAME: uses a keyring of its own
home() {
	GNUPGHOME="$work/$1"
	export GNUPGHOME
	mkdir -p -m 700 "$GNUPGHOME"
}
# at TIME gpg-arguments: gpg, at this time
at() {
	time=$1
	shift
	gpg --quiet --batch --yes --no-permission-warning --allow-weak-key-signatures --allow-weak-digest-algos \
		--pinentry-mode loopback --passphrase '' --faked-system-time "$time!" "$@" 2>>"$work/log"
}
fingerprint() {
	gpg --no-permission-warning --list-keys --with-colons "$1" 2>/dev/null | sed -n 's/^fpr:*\([0-9A-F]*\):$/\1/p' | sed -n "${2:-1}p"
}
export_key() {
	at "$2" --armor --export >"$out/$1.asc"
	[ "$1" != nistp256 ] || at "$2" --export >"$out/$1.gpg"
}
# commit NAME TIME KEY [gpg-arguments]: a commit signed at this time
commit() {
	name=$1 time=$2 key=$3
	shift 3
	printf '#!/bin/sh\nexec gpg --quiet --batch --no-permission-warning --allow-weak-digest-algos --pinentry-mode loopback --passphrase "" --faked-system-time %s! %s "$@"\n' "$time" "$*" >"$work/gpg"
	chmod +x "$work/gpg"
	seconds=$(date -u -d "$(echo "$time" | sed 's/\(....\)\(..\)\(..\)T\(..\)\(..\)\(..\)/\1-\2-\3 \4:\5:\6/')" +%s)
	id=$(GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.com GIT_AUTHOR_DATE="$seconds +0000" \
		GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.com GIT_COMMITTER_DATE="$seconds +0000" \
		git -C "$work/repository.git" -c gpg.program="$work/gpg" commit-tree -S"$key" -m "$name" "$tree")
	git -C "$work/repository.git" cat-file commit "$id" >"$out/$name.commit"
}
# revoke TIME CODE: revokes the primary key; 0 no reason, 1 compromised, 2 superseded, 3 retired
revoke() {
	key=$(fingerprint ada)
	printf 'y\n%s\n\ny\n' "$2" | gpg --quiet --no-tty --yes --no-permission-warning --command-fd 0 --pinentry-mode loopback --passphrase '' \
		--faked-system-time "$1!" --output "$GNUPGHOME/revocation" --gen-revoke "$key" 2>>"$work/log"
	at "$1" --import "$GNUPGHOME/revocation"
}
ada='Ada Lovelace <ada@example.com>'

home expiry
at 20240101T000000 --quick-generate-key "$ada" ed25519 sign 20260101T000000
export_key expiring 20240101T000000
commit good 20240601T000000 ada
git -C "$work/repository.git" -c gpg.program="$work/gpg" -c user.name=Ada -c user.email=ada@example.com \
	tag -u ada -m 'Version one' v1 "$(git -C "$work/repository.git" commit-tree -m tagged "$tree" 2>/dev/null || git -C "$work/repository.git" hash-object -t commit -w "$out/good.commit")"
git -C "$work/repository.git" cat-file tag v1 >"$out/good.tag"
commit brief 20240601T000000 ada --default-sig-expire 1w
commit sha1 20240601T000000 ada --digest-algo SHA1
at 20250101T000000 --quick-set-expire "$(fingerprint ada)" 20300101T000000
export_key extended 20250101T000000
commit late 20260601T000000 ada

for reason in unexplained:0 compromised:1 superseded:2 retired:3; do
	home "revoked-${reason%:*}"
	why=${reason%:*}
	at 20240101T000000 --quick-generate-key "$ada" ed25519 sign never
	commit "$why-before" 20240601T000000 ada
	commit "$why-after" 20241001T000000 ada
	revoke 20240901T000000 "${reason#*:}"
	export_key "$why" 20240901T000000
done

home subkey
at 20240101T000000 --quick-generate-key "$ada" rsa3072 cert never
primary=$(fingerprint ada)
at 20240101T000000 --quick-add-key "$primary" ed25519 sign 20260101T000000
export_key subkey 20240101T000000
commit subkey 20240601T000000 ada
sub=$(fingerprint ada 2)
at 20250101T000000 --quick-set-expire "$primary" 20300101T000000 "$sub"
commit subkey-late 20260601T000000 ada
printf 'key 1\nrevkey\ny\n1\n\ny\nsave\n' | gpg --quiet --no-tty --yes --no-permission-warning --command-fd 0 --pinentry-mode loopback --passphrase '' \
	--faked-system-time '20250201T000000!' --edit-key "$primary" 2>>"$work/log" >>"$work/log"
export_key subkey-revoked 20250201T000000

for weak in rsa1024 dsa2048; do
	home "$weak"
	at 20240101T000000 --quick-generate-key "$ada" "$weak" sign never
	export_key "$weak" 20240101T000000
	commit "$weak" 20240601T000000 ada
done
for curve in nistp256 nistp384 nistp521 rsa4096; do
	home "$curve"
	at 20240101T000000 --quick-generate-key "$ada" "$curve" sign never
	export_key "$curve" 20240101T000000
	commit "$curve" 20240601T000000 ada
done
home sha1-binding
at 20240101T000000 --cert-digest-algo SHA1 --quick-generate-key "$ada" ed25519 sign never
export_key sha1-binding 20240101T000000
commit sha1-binding 20240601T000000 ada


home ssh
ssh-keygen -q -t ed25519 -N '' -C lab -f "$work/key"
seconds=1717200000
id=$(GIT_AUTHOR_NAME=Lab GIT_AUTHOR_EMAIL=lab@example.com GIT_AUTHOR_DATE="$seconds +0000" \
	GIT_COMMITTER_NAME=Lab GIT_COMMITTER_EMAIL=lab@example.com GIT_COMMITTER_DATE="$seconds +0000" \
	git -C "$work/repository.git" -c gpg.format=ssh commit-tree -S"$work/key" -m ssh "$tree")
git -C "$work/repository.git" cat-file commit "$id" >"$out/ssh.commit"
echo "lab@example.com $(cut -d' ' -f1,2 "$work/key.pub")" >"$out/ssh.allowed_signers"
