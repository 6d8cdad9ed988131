# Starts a Postfix of its own below a directory, which delivers everything for jane@home.lan into a Maildir there.
#   sh postfix.sh DIRECTORY PORT PORT_OF_IMPLICIT_TLS CERTIFICATE KEY
set -eu
here=$1 plain=$2 implicit=$3 certificate=$4 key=$5
# Where Postfix was only unpacked there are no users of its own, and Debian's base has others that do.
owner=postfix group=postdrop files=/etc/postfix
id -u "$owner" >/dev/null 2>&1 || owner=daemon group=mail
[ -e "$files/postfix-files" ] || files=/usr/local/lib/mailferry-test/servers/etc/postfix
install -d -m 755 "$here/etc" "$here/queue"
install -d -m 700 -o "$owner" "$here/data"
install -d -m 755 -o nobody "$here/mail"
cat > "$here/etc/main.cf" <<CF
compatibility_level = 3.6
queue_directory = $here/queue
data_directory = $here/data
mail_owner = $owner
setgid_group = $group
meta_directory = $files
maillog_file = $here/log
maillog_file_prefixes = $here
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.test
mydestination =
mynetworks = 127.0.0.0/8
local_header_rewrite_clients =
message_drop_headers =
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = home.lan
virtual_mailbox_base = $here/mail
virtual_mailbox_maps = inline:{{jane@home.lan=jane/}}
virtual_mailbox_limit = 0
message_size_limit = 100000000
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
smtpd_sender_restrictions = check_sender_access inline:{ { spam.invalid = 550 5.7.1 no mail from there } }
smtpd_tls_cert_file = $certificate
smtpd_tls_key_file = $key
smtpd_tls_security_level = may
CF
cat > "$here/etc/master.cf" <<CF
127.0.0.1:$plain    inet n - n - - smtpd
127.0.0.1:$implicit inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup    unix n - n - 0 cleanup
qmgr       unix n - n 300 1 qmgr
tlsmgr     unix - - n 1000? 1 tlsmgr
rewrite    unix - - n - - trivial-rewrite
bounce     unix - - n - 0 bounce
defer      unix - - n - 0 bounce
trace      unix - - n - 0 bounce
flush      unix n - n 1000? 0 flush
proxymap   unix - - n - - proxymap
error      unix - - n - - error
retry      unix - - n - - error
virtual    unix - n n - - virtual
anvil      unix - - n - 1 anvil
postlog    unix-dgram n - n - 1 postlogd
CF
postfix -c "$here/etc" start
