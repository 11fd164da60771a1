# A provider network with two VMs, in the rows Neutron writes: vm1 on compute1, vm2 on compute2.
set -e
net=neutron-3f2b8f0a-58a4-4a5e-9b0e-1f7c5b6d2e10
ovn-nbctl --may-exist ls-add $net -- set logical_switch $net \
  external_ids:'"neutron:network_name"'=public external_ids:'"neutron:provnet-network-type"'=flat
ovn-nbctl --may-exist lsp-add $net provnet-1 -- lsp-set-type provnet-1 localnet \
  -- lsp-set-addresses provnet-1 unknown -- lsp-set-options provnet-1 network_name=physnet1
for n in 1 2; do
  ovn-nbctl --may-exist lsp-add $net vm$n \
    -- lsp-set-addresses vm$n "0a:00:00:00:01:0$n 172.24.4.1$n 2001:db8:100::1$n" \
    -- lsp-set-options vm$n requested-chassis=compute$n \
    -- set logical_switch_port vm$n enabled=true \
       external_ids:'"neutron:cidrs"'="\"172.24.4.1$n/24 2001:db8:100::1$n/64\"" \
       external_ids:'"neutron:device_owner"'='"compute:nova"' \
       external_ids:'"neutron:host_id"'=compute$n \
       external_ids:'"neutron:network_name"'=$net
done
