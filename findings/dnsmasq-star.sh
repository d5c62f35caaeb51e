#!/usr/bin/env bash
# dnsmasq 2.90 (Debian 12, package dnsmasq-base), asked by dig. Seen on 2026-12-01.
# One would guess: `address=/*.x/` is `address=/x/` in other words, as it is in lists for hosts.
# Seen: a star is a prefix of any letters, and what stands behind it is taken as it is: `/*.x/` leaves x
# itself alone and takes a.x and a.b.x; `/*x/` without a dot takes x, a.x and also other-x, a name of
# somebody else. A list with such lines cannot be read into "a name and all below it".
# Needs: Debian's packages dnsmasq-base and bind9-dnsutils, of any version from 2.86 on.
set -euo pipefail
dnsmasq --version | sed -n 's/ *Copyright.*//p'
port=$((20000 + RANDOM % 20000))
dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --port=$port --listen-address=127.0.0.1 \
  --bind-interfaces --address='/*.dotted.example/' --address='/*plain.example/' --address=/whole.example/ \
  --address=/#/192.0.2.1 >/dev/null 2>&1 &
trap 'kill $!' EXIT
sleep 1
bad=0
ask() { # name, whether it is expected to be blocked
  local status
  status=$(dig +time=2 +tries=2 +noall +comments @127.0.0.1 -p $port "$1" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p')
  printf '%-22s %s\n' "$1" "$status"
  [ "$status" = "$2" ] || bad=1
}
ask whole.example NXDOMAIN
ask a.whole.example NXDOMAIN
ask other-whole.example NOERROR
ask dotted.example NOERROR
ask a.dotted.example NXDOMAIN
ask a.b.dotted.example NXDOMAIN
ask other-dotted.example NOERROR
ask plain.example NXDOMAIN
ask a.plain.example NXDOMAIN
ask other-plain.example NXDOMAIN
[ $bad = 0 ] && echo "as on 2026-12-01"
