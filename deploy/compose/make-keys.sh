#!/bin/sh
# Makes the secrets of the compose stack, once, into the directory $1: each in a
# file of its own, as the services read them (NAME_FILE). What is there already
# is kept, so a file can be put there by hand, and no start changes a secret.
#
#   make-keys.sh DIR          make what is missing
#   make-keys.sh DIR NAME     print one, such as api_key
set -eu
umask 022
dir=$1

if [ $# -gt 1 ]; then
	exec cat "$dir/$2"
fi

# random prints N bytes as hexadecimal digits, which need no quoting in a URL.
random() { head -c "$1" /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# keep writes a secret unless there is one. It appears whole or not at all.
keep() {
	[ -s "$dir/$1" ] && return
	printf '%s\n' "$2" >"$dir/.$1.new"
	mv "$dir/.$1.new" "$dir/$1"
	echo "made $1"
}

value() { cat "$dir/$1"; }

mkdir -p "$dir"
keep redis_password "$(random 24)"
keep postgres_password "$(random 24)"
keep s3_secret "$(random 24)"
keep grafana_password "$(random 12)"
keep url_signing_key "$(random 32)"
keep address_hash_key "$(random 32)"
keep api_key "$(random 24)"

keep redis.conf "requirepass $(value redis_password)"
keep redis_url "redis://:$(value redis_password)@redis:6379/0"
keep database_url "postgres://tandem:$(value postgres_password)@postgres:5432/tandem?sslmode=disable"
# The caller "operator" may do everything.
keep api_keys "operator:$(value api_key):jobs:write+jobs:read+queues:read+exports:all"
keep storage_url_files "file:///data/files"
keep storage_url_s3 "s3://tandem:$(value s3_secret)@s3:7070/tandem?tls=false&public=http://localhost:${S3_PORT:-7070}"
