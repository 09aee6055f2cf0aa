#!/bin/sh
# An authority for the central servers, and a certificate for each of them:
#
#   sh certificates.sh FOLDER NAME=ADDRESS ...
#
# FOLDER/ca.pem goes to everybody, stations included; FOLDER/NAME/{server.pem,server.key,ca.pem} to
# that computer; FOLDER/ca.key off all of them, as it is needed only for the next certificate. With a
# certificate of this authority a computer may vote in etcd: give none to stations.
set -eu
[ $# -ge 2 ] || { sed -n 's/^# \{0,1\}//;4p' "$0" >&2; exit 2; }
umask 077
folder=$1
shift
mkdir -p "$folder"
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
if ! [ -f "$folder/ca.key" ]; then
    # shellcheck disable=SC2086  # several words
    openssl req -x509 $key -keyout "$folder/ca.key" -out "$folder/ca.pem" -days 3652 \
        -subj "/CN=kap-vitals central servers" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
fi
for each in "$@"; do
    name=${each%%=*} address=${each#*=}
    case $address in *[!0-9.]*) kind=DNS ;; *) kind=IP ;; esac
    case $address in *:*) kind=IP ;; esac
    to=$folder/$name
    mkdir "$to" || { echo "$to is there already: move it away, or leave $name out" >&2; exit 2; }
    # shellcheck disable=SC2086
    openssl req -new $key -keyout "$to/server.key" -subj "/CN=$name" -out "$to/server.csr" 2>/dev/null
    printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
        "extendedKeyUsage=serverAuth,clientAuth" \
        "subjectAltName=DNS:$name,$kind:$address" > "$to/server.ext"
    openssl x509 -req -in "$to/server.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" \
        -set_serial "0x$(openssl rand -hex 16)" -days 1826 -extfile "$to/server.ext" \
        -out "$to/server.pem" 2>/dev/null
    rm "$to/server.csr" "$to/server.ext"
    cp "$folder/ca.pem" "$to/ca.pem"
done
