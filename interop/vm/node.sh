# A node as the Python agent's users have it, in one virtual machine: OVN and OVS (kernel datapath), FRR, a leaf in a
# namespace, a flat and a VLAN provider network, a tenant network with a floating IP, a router with a gateway here.
#
# Functions only; `. /share/node.sh`. Every wait has a deadline, nothing sleeps for luck.

public=neutron-38c12e4f-e819-5336-9a2b-8b7f94a6286c
vlan=neutron-1d2931ed-2d05-5d54-8a9a-825704eb7467
tenant=neutron-05f13b8c-8bfe-50a3-8422-d376b526a123
router=neutron-a25a3637-f1eb-5e46-acf2-af62288f89d2
# what the leaf must have, IPv4 and IPv6
exposed4='172.24.4.138/32 172.24.4.151/32 172.24.4.76/32 172.30.0.182/32'
exposed6='2001:db8:100::138/128 2001:db8:100:0:f816:3eff:fe94:ece8/128 2001:db8:200::182/128'

# wait_for SECONDS WHAT COMMAND...
wait_for() {
  limit=$(($(cut -d. -f1 /proc/uptime) + $1)); what=$2; shift 2
  until "$@" > /dev/null 2>&1; do
    [ "$(cut -d. -f1 /proc/uptime)" -lt "$limit" ] || { echo "not in time: $what"; return 1; }
    sleep 0.2
  done
}

leaf() { ip netns exec leaf "$@"; }
leaf_vtysh() { leaf vtysh --vty_socket /run/leaf --config_dir /run/leaf "$@"; }

start_kernel() {
  modprobe -a openvswitch vrf dummy 8021q veth
  hostname compute-1
  echo "127.0.0.1 compute-1" >> /etc/hosts # sudo asks
  sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 \
    net.ipv4.conf.default.rp_filter=0 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
  mkdir -p /etc/iproute2
  [ -e /etc/iproute2/rt_tables ] || cp /usr/share/iproute2/rt_tables /etc/iproute2/rt_tables
}

start_switch() {
  /usr/share/openvswitch/scripts/ovs-ctl --system-id=c1a4b1d6-5d1e-4f0e-9a51-6d0f3f0ac001 --no-mlockall start
  /usr/share/ovn/scripts/ovn-ctl start_northd
  ovs-vsctl set open . external-ids:hostname=compute-1 external-ids:ovn-remote=unix:/run/ovn/ovnsb_db.sock \
    external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=127.0.0.1 \
    external-ids:ovn-bridge-mappings=physnet1:br-ex external-ids:ovn-cms-options=enable-chassis-as-gw
  ovs-vsctl --may-exist add-br br-ex
  ip link set br-ex up
  /usr/share/ovn/scripts/ovn-ctl start_controller
}

# port NAME SWITCH MAC 'ADDRESS/LEN…' : a VM's port as Neutron writes it
port() {
  plain=$(echo "$4" | sed 's,/[0-9]*,,g')
  ovn-nbctl lsp-add "$2" "$1" -- lsp-set-addresses "$1" "$3 $plain" -- lsp-set-options "$1" requested-chassis=compute-1 \
    -- set logical_switch_port "$1" enabled=true external_ids:'"neutron:cidrs"'="\"$4\"" \
       external_ids:'"neutron:device_owner"'='"compute:nova"' external_ids:'"neutron:host_id"'=compute-1 \
       external_ids:'"neutron:network_name"'="$2" external_ids:'"neutron:port_name"'="$1"
}

provider() { # SWITCH LOCALNET TYPE
  ovn-nbctl ls-add "$1" -- set logical_switch "$1" external_ids:'"neutron:network_name"'="$1" \
    external_ids:'"neutron:provnet-network-type"'="$3" \
    -- lsp-add "$1" "$2" -- lsp-set-type "$2" localnet -- lsp-set-addresses "$2" unknown \
    -- lsp-set-options "$2" network_name=physnet1
}

write_network() {
  ovn-nbctl set nb_global . external_ids:'"neutron:fip-distributed"'=True
  provider $public provnet-719da409-e1b8-5b04-89ef-3d926a188006 flat
  provider $vlan provnet-7e9d38e8-00a2-55ea-a140-42445206049b vlan
  ovn-nbctl set logical_switch_port provnet-7e9d38e8-00a2-55ea-a140-42445206049b tag=123
  ovn-nbctl ls-add $tenant -- set logical_switch $tenant external_ids:'"neutron:network_name"'=tenant \
    external_ids:'"neutron:provnet-network-type"'=geneve
  port vm-a $tenant fa:16:3e:0a:00:01 10.10.0.19/24
  port vm-b $public fa:16:3e:0a:00:02 '172.24.4.138/24 2001:db8:100::138/64'
  port vm-c $vlan fa:16:3e:0a:00:03 '172.30.0.182/24 2001:db8:200::182/64'
  ovn-nbctl lr-add $router -- set logical_router $router enabled=true external_ids:'"neutron:router_name"'=r1
  ovn-nbctl lrp-add $router lrp-in fa:16:3e:aa:44:51 10.10.0.1/24 \
    -- set logical_router_port lrp-in external_ids:'"neutron:is_ext_gw"'=False external_ids:'"neutron:network_name"'=$tenant \
    -- lsp-add $tenant in -- lsp-set-type in router -- lsp-set-addresses in router -- lsp-set-options in router-port=lrp-in \
    -- set logical_switch_port in external_ids:'"neutron:device_owner"'='"network:router_interface"' \
       external_ids:'"neutron:cidrs"'='"10.10.0.1/24"' external_ids:'"neutron:network_name"'=$tenant \
       external_ids:'"neutron:device_id"'="\"${router#neutron-}\""
  gateway='172.24.4.76/24 2001:db8:100:0:f816:3eff:fe94:ece8/64'
  ovn-nbctl lrp-add $router lrp-gw fa:16:3e:94:ec:e8 $gateway \
    -- set logical_router_port lrp-gw external_ids:'"neutron:is_ext_gw"'=True external_ids:'"neutron:network_name"'=$public \
    -- lsp-add $public gw -- lsp-set-type gw router -- lsp-set-addresses gw router \
    -- lsp-set-options gw router-port=lrp-gw nat-addresses=router \
    -- set logical_switch_port gw external_ids:'"neutron:device_owner"'='"network:router_gateway"' \
       external_ids:'"neutron:cidrs"'="\"$gateway\"" external_ids:'"neutron:device_id"'='"a25a3637-f1eb-5e46-acf2-af62288f89d2"' \
       external_ids:'"neutron:network_name"'=$public
  ovn-nbctl lrp-set-gateway-chassis lrp-gw c1a4b1d6-5d1e-4f0e-9a51-6d0f3f0ac001 1
  ovn-nbctl lr-route-add $router 0.0.0.0/0 172.24.4.1 lrp-gw
  ovn-nbctl lr-nat-add $router dnat_and_snat 172.24.4.151 10.10.0.19 vm-a fa:16:3e:0a:01:51
  fip=$(ovn-nbctl --bare --columns=_uuid find nat external_ip=172.24.4.151)
  ovn-nbctl set nat "$fip" external_ids:'"neutron:fip_port_id"'=vm-a external_ids:'"neutron:router_name"'=$router \
    external_ids:'"neutron:fip_network_id"'=${public#neutron-} external_ids:'"neutron:fip_external_mac"'='"fa:16:3e:0a:01:51"' \
    -- set logical_switch_port vm-a external_ids:'"neutron:port_fip"'=172.24.4.151
}

# a second subnet of the tenant network, behind the same router
tenant_ipv6() {
  ovn-nbctl lrp-add $router lrp-in6 fa:16:3e:33:45:69 2001:db8:300::1/64 \
    -- set logical_router_port lrp-in6 external_ids:'"neutron:is_ext_gw"'=False external_ids:'"neutron:network_name"'=$tenant \
    -- lsp-add $tenant in6 -- lsp-set-type in6 router -- lsp-set-addresses in6 router -- lsp-set-options in6 router-port=lrp-in6 \
    -- set logical_switch_port in6 external_ids:'"neutron:device_owner"'='"network:router_interface"' \
       external_ids:'"neutron:cidrs"'='"2001:db8:300::1/64"' external_ids:'"neutron:network_name"'=$tenant \
       external_ids:'"neutron:device_id"'="\"${router#neutron-}\""
}

plug() { # NAME MAC GATEWAY4 ADDRESS…
  name=$1 mac=$2 via=$3; shift 3
  ovs-vsctl add-port br-int "tap-$name" -- set interface "tap-$name" type=internal "mac=\"$mac\"" external-ids:iface-id="$name"
  ip netns add "$name"
  ip link set "tap-$name" netns "$name"
  ip -n "$name" link set lo up
  ip -n "$name" link set "tap-$name" address "$mac" up
  for address; do
    case $address in *:*) set -- nodad ;; *) set -- ;; esac
    ip -n "$name" address add "$address" dev "tap-$name" "$@"
  done
  ip -n "$name" route add default via "$via"
}

plug_vms() {
  plug vm-a fa:16:3e:0a:00:01 10.10.0.1 10.10.0.19/24
  plug vm-b fa:16:3e:0a:00:02 172.24.4.1 172.24.4.138/24 2001:db8:100::138/64
  ip -n vm-b route add default via 2001:db8:100::
  plug vm-c fa:16:3e:0a:00:03 172.30.0.1 172.30.0.182/24 2001:db8:200::182/64
  ip -n vm-c route add default via 2001:db8:200::
  for vm in vm-a vm-b vm-c; do wait_for 120 "$vm up" sh -c "[ \"\$(ovn-nbctl lsp-get-up $vm)\" = up ]"; done
}

start_leaf() {
  ip netns add leaf
  ip link add up0 type veth peer name down0 netns leaf
  ip link set up0 up; ip -n leaf link set down0 up; ip -n leaf link set lo up
  ip address add 100.65.1.2/30 dev up0; ip -n leaf address add 100.65.1.1/30 dev down0
  ip address add fd00:65::2/64 dev up0; ip -n leaf address add fd00:65::1/64 dev down0
  ip address add 172.30.1.1/32 dev lo
  mkdir -p /run/leaf /run/frr; : > /run/leaf/vtysh.conf
  cat > /run/leaf/frr.conf <<'X'
router bgp 64999
 bgp router-id 100.65.1.1
 no bgp default ipv4-unicast
 bgp graceful-restart
 neighbor 100.65.1.2 remote-as internal
 neighbor 100.65.1.2 timers connect 1
 neighbor fd00:65::2 remote-as internal
 neighbor fd00:65::2 timers connect 1
 address-family ipv4 unicast
  neighbor 100.65.1.2 activate
  neighbor 100.65.1.2 default-originate
  neighbor 100.65.1.2 next-hop-self
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00:65::2 activate
  neighbor fd00:65::2 default-originate
  neighbor fd00:65::2 next-hop-self
 exit-address-family
X
  chown -R frr:frr /run/leaf /run/frr
  for d in zebra bgpd; do
    leaf /usr/lib/frr/$d -d -i /run/leaf/$d.pid -z /run/leaf/zserv.api --vty_socket /run/leaf -A 127.0.0.1 -P 0 -f /dev/null
    wait_for 60 "the leaf's $d" test -S /run/leaf/$d.vty
  done
  leaf_vtysh -b
}

# FRR on the node, with the sessions that its configuration file gives it
start_frr() {
  cat > /etc/frr/frr.conf <<'X'
router bgp 64999
 bgp router-id 172.30.1.1
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 bgp graceful-restart
 neighbor 100.65.1.1 remote-as internal
 neighbor 100.65.1.1 timers connect 1
 neighbor fd00:65::1 remote-as internal
 neighbor fd00:65::1 timers connect 1
 address-family ipv4 unicast
  redistribute connected
  neighbor 100.65.1.1 activate
  neighbor 100.65.1.1 prefix-list only-host-prefixes out
 exit-address-family
 address-family ipv6 unicast
  redistribute connected
  neighbor fd00:65::1 activate
  neighbor fd00:65::1 prefix-list only-host-prefixes out
 exit-address-family
ip prefix-list only-host-prefixes permit 0.0.0.0/0 ge 32
ipv6 prefix-list only-host-prefixes permit ::/0 ge 128
X
  : > /etc/frr/vtysh.conf
  chown frr:frr /etc/frr/frr.conf /etc/frr/vtysh.conf
  mkdir -p /run/frr; chown frr:frr /run/frr
  for d in mgmtd zebra bgpd staticd; do
    file='-f /dev/null'
    case $d in mgmtd | staticd) file= ;; esac # they have no file of their own
    /usr/lib/frr/$d -d -A 127.0.0.1 --log "file:/run/frr/$d.log" $file
    wait_for 60 "$d" test -S /run/frr/$d.vty
  done
  vtysh -b
}

# At once, as a node does not choose how it ends. None ends because another has (FRR 10.3, whatever the order): one that is not there
# any more has crashed, or the kernel needed its memory. That was seen once, and not why; its log has the backtrace. The scene
# goes on: FRR's part in it is over.
stop_frr() {
  for d in bgpd staticd zebra mgmtd; do
    pid=$(cat /run/frr/$d.pid || echo none)
    kill -9 "$pid" || how_ended "$d" "$pid"
  done
}

how_ended() { # DAEMON PID
  echo "FRR's $1 (pid $2) had ended by itself:"
  tail -n 40 "/run/frr/$1.log" || true
  dmesg | grep -i 'killed process\|segfault\|traps:' || true
}

leaf_has() { # PREFIX FAMILY
  leaf_vtysh -c "show bgp $2 unicast $1" | grep -q ' best '
}

leaf_lacks() { ! leaf_has "$@"; }

wait_exposed() { # SECONDS
  for p in $exposed4; do wait_for "$1" "$p at the leaf" leaf_has "$p" ipv4; done
  for p in $exposed6; do wait_for "$1" "$p at the leaf" leaf_has "$p" ipv6; done
}

# capture DIR: what an agent wrote, in an order that does not depend on when
capture() {
  mkdir -p "$1"
  table=$(awk '$2 == "br-ex" { print $1 }' /etc/iproute2/rt_tables)
  { ip -4 rule; ip -6 rule; } | grep '^32000' | sed 's/ proto [a-z0-9]*//; s/ *$//' | sort > "$1/rules"
  { ip -4 route show table "$table"; ip -6 route show table "$table" | sed 's/ proto [a-z0-9]*//;s/ metric [0-9]*//;s/ pref [a-z]*//'; } \
    | sed 's/ proto [a-z0-9]*//;s/ *$//' | sort > "$1/routes"
  ip neigh show nud permanent | grep ' br-ex' | sed 's/ proto [a-z0-9]*//; s/ *$//' | sort > "$1/neighbours"
  ip neigh show proxy | grep ' br-ex' | sed 's/ proto [a-z0-9]*//;s/ *$//' | sort > "$1/proxies"
  ovs-ofctl dump-flows br-ex | grep -E 'cookie=0x3e[67]' > "$1/flows-with-age" || true
  sed -E 's/(duration|n_packets|n_bytes|idle_age|hard_age)=[^,]*, ?//g; s/^ *//' "$1/flows-with-age" | sort > "$1/flows"
  ip -br link | awk '{print $1}' | sort > "$1/links"
  ip -br address | awk '$1 ~ /^br-ex/' | sed 's/ fe80:[^ ]*//g; s/ metric [0-9]*//g; s/ *$//' | sort > "$1/addresses"
  cp /etc/iproute2/rt_tables "$1/rt_tables"
  { leaf_vtysh -c 'show bgp ipv4 unicast'; leaf_vtysh -c 'show bgp ipv6 unicast'; } > "$1/leaf"
}

pings() { # DIR
  mkdir -p "$1"; : > "$1/pings"
  for a in 172.24.4.138 172.24.4.151 172.24.4.76 172.30.0.182 2001:db8:100::138 2001:db8:200::182; do
    if wait_for 20 "an answer of $a" leaf ping -n -c1 -W1 "$a"; then echo "$a answers"; else echo "$a is silent"; fi >> "$1/pings"
  done
  cat "$1/pings"
}
