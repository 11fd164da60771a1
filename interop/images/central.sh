# OVN's databases on TCP 6641 and 6642 of every address, and northd.
set -e
ctl=/usr/share/ovn/scripts/ovn-ctl
$ctl --db-nb-create-insecure-remote=yes --db-sb-create-insecure-remote=yes start_northd
exec sleep infinity
