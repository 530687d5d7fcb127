# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_waxwing_global_optspecs
    string join \n c/config= json h/help V/version
end

function __fish_waxwing_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_waxwing_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_waxwing_using_subcommand
    set -l cmd (__fish_waxwing_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c waxwing -n "__fish_waxwing_needs_command" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_needs_command" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_needs_command" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_needs_command" -s V -l version -d 'Print version'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "serve" -d 'Start the server (also without any command)'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "status" -d 'Show how the running server is doing'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "nodes" -d 'List the nodes of the installation'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "user" -d 'Accounts: add, list, show, change, delete'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "invite" -d 'Invitations: create, list, revoke'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "file" -d ''
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "sessions" -d 'List who is connected'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "pubsub" -d ''
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "room" -d ''
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "token" -d ''
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "webhook" -d ''
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "federation" -d 'List the connections with other servers'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "announce" -d 'Tell everybody who is connected something'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "motd" -d ''
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "welcome" -d ''
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "audit" -d 'List what administrators and account owners have changed'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "backup" -d 'Write a consistent copy of everything, while the server runs'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "restore" -d 'Put a backup in the place of the data, while no server runs'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "export" -d 'Write accounts with all that is theirs to a portable file (XEP-0227)'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "import" -d 'Read accounts from a portable file (XEP-0227)'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "migrate" -d ''
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "upkeep" -d 'Remove what has expired now'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "reload" -d 'Read the configuration and the certificates again'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "restart" -d 'Stop the server and start it anew'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "drain" -d 'Leave an installation of several nodes, then stop'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "stop" -d 'Stop the server'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "check" -d 'Say what is wrong with the configuration, certificates, ports and DNS, before a start'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "version" -d 'Show the version of this program'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "completions" -d 'Write the completions of a shell'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "man" -d 'Write a manual page, in roff'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand serve" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand serve" -l cluster -d 'As a node of an installation: refuse to start where the configuration names no bus in [cluster]'
complete -c waxwing -n "__fish_waxwing_using_subcommand serve" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand serve" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand status" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand status" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand nodes" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand nodes" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand nodes" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "add" -d 'Add an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "list" -d 'List accounts'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "show" -d 'Show an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "password" -d 'Set another password'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "disable" -d 'Refuse sign-in and end all sessions'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "enable" -d 'Allow sign-in again'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "delete" -d 'Delete an account and everything that is kept for it'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "role" -d 'Let an account use every command, or no longer'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "roster" -d 'List the contacts of an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "count" -d 'Count accounts'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and not __fish_seen_subcommand_from add list show password disable enable delete role roster count help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -l name -d 'The name shown to others.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -l given-name -d 'The given name, for the account\'s card (XEP-0054).' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -l family-name -d 'The family name, for the card.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -l email -d 'The address of electronic mail, for the card.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -l expires -d 'From when on sign-in is refused. [default: never]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -l password-stdin -d 'Read the password from the first line of standard input'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -l generate -d 'Have a password made, and shown once'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -l administrator -d 'Let the account use every command.'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from list" -l domain -d 'Only those of this domain.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from list" -l state -d 'Only those in this state; see `user count` for what they mean.' -r -f -a "disabled\t''
administrator\t''
online\t''
active\t''
idle\t''"
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from list" -l after -d 'Only those behind this address.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from list" -l limit -d 'How many at most. [default: 1000]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from list" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from show" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from show" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from password" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from password" -l password-stdin -d 'Read the password from the first line of standard input'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from password" -l generate -d 'Have a password made, and shown once'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from password" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from password" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from disable" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from disable" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from disable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from enable" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from enable" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from enable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from delete" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from delete" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from role" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from role" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from role" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from roster" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from roster" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from roster" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from count" -l domain -d 'Only those of this domain.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from count" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from count" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from count" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "add" -d 'Add an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "list" -d 'List accounts'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "password" -d 'Set another password'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "disable" -d 'Refuse sign-in and end all sessions'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "enable" -d 'Allow sign-in again'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete an account and everything that is kept for it'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "role" -d 'Let an account use every command, or no longer'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "roster" -d 'List the contacts of an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "count" -d 'Count accounts'
complete -c waxwing -n "__fish_waxwing_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and not __fish_seen_subcommand_from create list revoke help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and not __fish_seen_subcommand_from create list revoke help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and not __fish_seen_subcommand_from create list revoke help" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and not __fish_seen_subcommand_from create list revoke help" -f -a "create" -d 'Make a link that lets a person make an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and not __fish_seen_subcommand_from create list revoke help" -f -a "list" -d 'List invitations that can still be used'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and not __fish_seen_subcommand_from create list revoke help" -f -a "revoke" -d 'Withdraw an invitation'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and not __fish_seen_subcommand_from create list revoke help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from create" -l domain -d 'At which domain. [default: the first domain of the server]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from create" -l username -d 'Set this name aside for the person. [default: the person chooses]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from create" -l contact -d 'This account and the new one become contacts.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from create" -l lifetime -d 'How long the link is good for. [default: 7d]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from create" -l uses -d 'How many may use it. [default: 1]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from create" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from create" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from list" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from revoke" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from revoke" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a link that lets a person make an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from help" -f -a "list" -d 'List invitations that can still be used'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Withdraw an invitation'
complete -c waxwing -n "__fish_waxwing_using_subcommand invite; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and not __fish_seen_subcommand_from list delete help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and not __fish_seen_subcommand_from list delete help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and not __fish_seen_subcommand_from list delete help" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and not __fish_seen_subcommand_from list delete help" -f -a "list" -d 'List uploaded files'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and not __fish_seen_subcommand_from list delete help" -f -a "delete" -d 'Delete an uploaded file'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and not __fish_seen_subcommand_from list delete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from list" -l owner -d 'Files of this account only. [default: all]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from list" -l after -d 'Begin behind the file with this id.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from list" -l limit -d 'How many at most. [default: 100]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from list" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from delete" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from delete" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from help" -f -a "list" -d 'List uploaded files'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete an uploaded file'
complete -c waxwing -n "__fish_waxwing_using_subcommand file; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and not __fish_seen_subcommand_from end reset help" -l account -d 'Only those of this account.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and not __fish_seen_subcommand_from end reset help" -l limit -d 'How many at most. [default: 1000]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and not __fish_seen_subcommand_from end reset help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and not __fish_seen_subcommand_from end reset help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and not __fish_seen_subcommand_from end reset help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and not __fish_seen_subcommand_from end reset help" -f -a "end" -d 'End the sessions of an account, or one of them'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and not __fish_seen_subcommand_from end reset help" -f -a "reset" -d 'Have every client negotiate encryption and authentication anew'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and not __fish_seen_subcommand_from end reset help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and __fish_seen_subcommand_from end" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and __fish_seen_subcommand_from end" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and __fish_seen_subcommand_from end" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and __fish_seen_subcommand_from reset" -l domain -d 'Only sessions at this domain. [default: all domains]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and __fish_seen_subcommand_from reset" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and __fish_seen_subcommand_from reset" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and __fish_seen_subcommand_from reset" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and __fish_seen_subcommand_from help" -f -a "end" -d 'End the sessions of an account, or one of them'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and __fish_seen_subcommand_from help" -f -a "reset" -d 'Have every client negotiate encryption and authentication anew'
complete -c waxwing -n "__fish_waxwing_using_subcommand sessions; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and not __fish_seen_subcommand_from list show delete help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and not __fish_seen_subcommand_from list show delete help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and not __fish_seen_subcommand_from list show delete help" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and not __fish_seen_subcommand_from list show delete help" -f -a "list" -d 'List the nodes of an account or a service'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and not __fish_seen_subcommand_from list show delete help" -f -a "show" -d 'Show a node: its configuration, who is what to it, and how much it holds'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and not __fish_seen_subcommand_from list show delete help" -f -a "delete" -d 'Delete a node, with all that was published at it'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and not __fish_seen_subcommand_from list show delete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from list" -l after -d 'Only nodes behind this name.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from list" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from show" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from show" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from delete" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from delete" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the nodes of an account or a service'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show a node: its configuration, who is what to it, and how much it holds'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Delete a node, with all that was published at it'
complete -c waxwing -n "__fish_waxwing_using_subcommand pubsub; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and not __fish_seen_subcommand_from list show create config affiliation destroy help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and not __fish_seen_subcommand_from list show create config affiliation destroy help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and not __fish_seen_subcommand_from list show create config affiliation destroy help" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and not __fish_seen_subcommand_from list show create config affiliation destroy help" -f -a "list" -d 'List rooms'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and not __fish_seen_subcommand_from list show create config affiliation destroy help" -f -a "show" -d 'Show a room: its configuration, and who is what to it'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and not __fish_seen_subcommand_from list show create config affiliation destroy help" -f -a "create" -d 'Make a room that lasts'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and not __fish_seen_subcommand_from list show create config affiliation destroy help" -f -a "config" -d 'Change an option of a room'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and not __fish_seen_subcommand_from list show create config affiliation destroy help" -f -a "affiliation" -d 'Change what somebody is to a room'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and not __fish_seen_subcommand_from list show create config affiliation destroy help" -f -a "destroy" -d 'End a room, with all that was said in it'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and not __fish_seen_subcommand_from list show create config affiliation destroy help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from list" -l after -d 'Only rooms behind this address.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from list" -l limit -d 'How many at most. [default: 1000]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from list" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from show" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from show" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from create" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from create" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from config" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from config" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from affiliation" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from affiliation" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from affiliation" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from destroy" -l reason -d 'What those in it are told.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from destroy" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from destroy" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from destroy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from help" -f -a "list" -d 'List rooms'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show a room: its configuration, and who is what to it'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a room that lasts'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from help" -f -a "config" -d 'Change an option of a room'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from help" -f -a "affiliation" -d 'Change what somebody is to a room'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from help" -f -a "destroy" -d 'End a room, with all that was said in it'
complete -c waxwing -n "__fish_waxwing_using_subcommand room; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and not __fish_seen_subcommand_from create list revoke help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and not __fish_seen_subcommand_from create list revoke help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and not __fish_seen_subcommand_from create list revoke help" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and not __fish_seen_subcommand_from create list revoke help" -f -a "create" -d 'Make a token by which a program acts for an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and not __fish_seen_subcommand_from create list revoke help" -f -a "list" -d 'List tokens by which programs act for accounts'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and not __fish_seen_subcommand_from create list revoke help" -f -a "revoke" -d 'Withdraw a token'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and not __fish_seen_subcommand_from create list revoke help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from create" -l lifetime -d 'How long it is good for. [default: until it is revoked]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from create" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from create" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from list" -l address -d 'Only those of this account.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from list" -l after -d 'Begin behind the token with this id.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from list" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from revoke" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from revoke" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "create" -d 'Make a token by which a program acts for an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "list" -d 'List tokens by which programs act for accounts'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "revoke" -d 'Withdraw a token'
complete -c waxwing -n "__fish_waxwing_using_subcommand token; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and not __fish_seen_subcommand_from add list remove dead redeliver help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and not __fish_seen_subcommand_from add list remove dead redeliver help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and not __fish_seen_subcommand_from add list remove dead redeliver help" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and not __fish_seen_subcommand_from add list remove dead redeliver help" -f -a "add" -d 'Make a webhook'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and not __fish_seen_subcommand_from add list remove dead redeliver help" -f -a "list" -d 'List webhooks'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and not __fish_seen_subcommand_from add list remove dead redeliver help" -f -a "remove" -d 'Withdraw a webhook, with its dead letters'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and not __fish_seen_subcommand_from add list remove dead redeliver help" -f -a "dead" -d 'List what could not be delivered to a webhook'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and not __fish_seen_subcommand_from add list remove dead redeliver help" -f -a "redeliver" -d 'Try once more what could not be delivered to a webhook'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and not __fish_seen_subcommand_from add list remove dead redeliver help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from add" -l conversation -d 'The room or person.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from add" -l url -d 'Where an outgoing one posts to.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from add" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from add" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from list" -l address -d 'Only those of this account.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from list" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from remove" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from remove" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from dead" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from dead" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from dead" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from redeliver" -l message -d 'Only this message, by its position.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from redeliver" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from redeliver" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from redeliver" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from help" -f -a "add" -d 'Make a webhook'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from help" -f -a "list" -d 'List webhooks'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Withdraw a webhook, with its dead letters'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from help" -f -a "dead" -d 'List what could not be delivered to a webhook'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from help" -f -a "redeliver" -d 'Try once more what could not be delivered to a webhook'
complete -c waxwing -n "__fish_waxwing_using_subcommand webhook; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and not __fish_seen_subcommand_from block unblock blocked admit dismiss admitted help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and not __fish_seen_subcommand_from block unblock blocked admit dismiss admitted help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and not __fish_seen_subcommand_from block unblock blocked admit dismiss admitted help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and not __fish_seen_subcommand_from block unblock blocked admit dismiss admitted help" -f -a "block" -d 'Have nothing to do with an address elsewhere, or with a whole domain'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and not __fish_seen_subcommand_from block unblock blocked admit dismiss admitted help" -f -a "unblock" -d 'Speak again with an address or domain that was blocked'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and not __fish_seen_subcommand_from block unblock blocked admit dismiss admitted help" -f -a "blocked" -d 'List the addresses and domains that are blocked'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and not __fish_seen_subcommand_from block unblock blocked admit dismiss admitted help" -f -a "admit" -d 'Have to do only with an address elsewhere, or a whole domain, and others that are admitted'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and not __fish_seen_subcommand_from block unblock blocked admit dismiss admitted help" -f -a "dismiss" -d 'Take an address or domain off the list of those who are admitted'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and not __fish_seen_subcommand_from block unblock blocked admit dismiss admitted help" -f -a "admitted" -d 'List the addresses and domains that alone are admitted'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and not __fish_seen_subcommand_from block unblock blocked admit dismiss admitted help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from block" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from block" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from block" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from unblock" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from unblock" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from unblock" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from blocked" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from blocked" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from blocked" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from admit" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from admit" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from admit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from dismiss" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from dismiss" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from dismiss" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from admitted" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from admitted" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from admitted" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from help" -f -a "block" -d 'Have nothing to do with an address elsewhere, or with a whole domain'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from help" -f -a "unblock" -d 'Speak again with an address or domain that was blocked'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from help" -f -a "blocked" -d 'List the addresses and domains that are blocked'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from help" -f -a "admit" -d 'Have to do only with an address elsewhere, or a whole domain, and others that are admitted'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from help" -f -a "dismiss" -d 'Take an address or domain off the list of those who are admitted'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from help" -f -a "admitted" -d 'List the addresses and domains that alone are admitted'
complete -c waxwing -n "__fish_waxwing_using_subcommand federation; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand announce" -l domain -d 'Only those of this domain. [default: all domains]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand announce" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand announce" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand announce" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and not __fish_seen_subcommand_from show set edit delete help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and not __fish_seen_subcommand_from show set edit delete help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and not __fish_seen_subcommand_from show set edit delete help" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and not __fish_seen_subcommand_from show set edit delete help" -f -a "show" -d 'Show the message of the day'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and not __fish_seen_subcommand_from show set edit delete help" -f -a "set" -d 'Put up a message of the day'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and not __fish_seen_subcommand_from show set edit delete help" -f -a "edit" -d 'Change the message of the day'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and not __fish_seen_subcommand_from show set edit delete help" -f -a "delete" -d 'Take the message of the day down'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and not __fish_seen_subcommand_from show set edit delete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from show" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from show" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from set" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from set" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from edit" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from edit" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from edit" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from delete" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from delete" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show the message of the day'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from help" -f -a "set" -d 'Put up a message of the day'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from help" -f -a "edit" -d 'Change the message of the day'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Take the message of the day down'
complete -c waxwing -n "__fish_waxwing_using_subcommand motd; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and not __fish_seen_subcommand_from show set delete help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and not __fish_seen_subcommand_from show set delete help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and not __fish_seen_subcommand_from show set delete help" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and not __fish_seen_subcommand_from show set delete help" -f -a "show" -d 'Show what newcomers are told'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and not __fish_seen_subcommand_from show set delete help" -f -a "set" -d 'Decide what newcomers are told'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and not __fish_seen_subcommand_from show set delete help" -f -a "delete" -d 'Tell newcomers nothing any more'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and not __fish_seen_subcommand_from show set delete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from show" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from show" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from set" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from set" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from delete" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from delete" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show what newcomers are told'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from help" -f -a "set" -d 'Decide what newcomers are told'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from help" -f -a "delete" -d 'Tell newcomers nothing any more'
complete -c waxwing -n "__fish_waxwing_using_subcommand welcome; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l before -d 'Only records before this number.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l limit -d 'How many at most. [default: 50]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -f -a "verify" -d 'Check that the audit log is whole'
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and not __fish_seen_subcommand_from verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and __fish_seen_subcommand_from verify" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and __fish_seen_subcommand_from verify" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check that the audit log is whole'
complete -c waxwing -n "__fish_waxwing_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand backup" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand backup" -l without-files -d 'Leave out the content of files, where it is copied by other means.'
complete -c waxwing -n "__fish_waxwing_using_subcommand backup" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand restore" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand restore" -l replace -d 'Replace the data that is there; it is lost.'
complete -c waxwing -n "__fish_waxwing_using_subcommand restore" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand export" -l domain -d 'Only the accounts of this domain. [default: all domains]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand export" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand export" -l without-archive -d 'Leave the message archives out.'
complete -c waxwing -n "__fish_waxwing_using_subcommand export" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand import" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand import" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand migrate; and not __fish_seen_subcommand_from sqlite-to-postgres help" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand migrate; and not __fish_seen_subcommand_from sqlite-to-postgres help" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand migrate; and not __fish_seen_subcommand_from sqlite-to-postgres help" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand migrate; and not __fish_seen_subcommand_from sqlite-to-postgres help" -f -a "sqlite-to-postgres" -d 'Move everything from the embedded database to PostgreSQL, while no server runs'
complete -c waxwing -n "__fish_waxwing_using_subcommand migrate; and not __fish_seen_subcommand_from sqlite-to-postgres help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand migrate; and __fish_seen_subcommand_from sqlite-to-postgres" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand migrate; and __fish_seen_subcommand_from sqlite-to-postgres" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand migrate; and __fish_seen_subcommand_from sqlite-to-postgres" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand migrate; and __fish_seen_subcommand_from help" -f -a "sqlite-to-postgres" -d 'Move everything from the embedded database to PostgreSQL, while no server runs'
complete -c waxwing -n "__fish_waxwing_using_subcommand migrate; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand upkeep" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand upkeep" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand upkeep" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand reload" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand reload" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand restart" -l delay -d 'How long to wait until then; at most a day. [default: at once]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand restart" -l announcement -d 'What those who are connected are told now.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand restart" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand restart" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand drain" -l delay -d 'How long to wait until then; at most a day. [default: at once]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand drain" -l announcement -d 'What those who are connected are told now.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand drain" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand drain" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand drain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand stop" -l delay -d 'How long to wait until then; at most a day. [default: at once]' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand stop" -l announcement -d 'What those who are connected are told now.' -r
complete -c waxwing -n "__fish_waxwing_using_subcommand stop" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand stop" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand check" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand check" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand version" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand version" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand completions" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand completions" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand completions" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand man" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand man" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand man" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "serve" -d 'Start the server (also without any command)'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "status" -d 'Show how the running server is doing'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "nodes" -d 'List the nodes of the installation'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "user" -d 'Accounts: add, list, show, change, delete'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "invite" -d 'Invitations: create, list, revoke'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "file" -d ''
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "sessions" -d 'List who is connected'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "pubsub" -d ''
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "room" -d ''
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "token" -d ''
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "webhook" -d ''
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "federation" -d 'List the connections with other servers'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "announce" -d 'Tell everybody who is connected something'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "motd" -d ''
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "welcome" -d ''
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "audit" -d 'List what administrators and account owners have changed'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "backup" -d 'Write a consistent copy of everything, while the server runs'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "restore" -d 'Put a backup in the place of the data, while no server runs'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "export" -d 'Write accounts with all that is theirs to a portable file (XEP-0227)'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "import" -d 'Read accounts from a portable file (XEP-0227)'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "migrate" -d ''
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "upkeep" -d 'Remove what has expired now'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "reload" -d 'Read the configuration and the certificates again'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "restart" -d 'Stop the server and start it anew'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "drain" -d 'Leave an installation of several nodes, then stop'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "stop" -d 'Stop the server'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "check" -d 'Say what is wrong with the configuration, certificates, ports and DNS, before a start'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "version" -d 'Show the version of this program'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "completions" -d 'Write the completions of a shell'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "man" -d 'Write a manual page, in roff'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status nodes user invite file sessions pubsub room token webhook federation announce motd welcome audit backup restore export import migrate upkeep reload restart drain stop check version completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "add" -d 'Add an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "list" -d 'List accounts'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "show" -d 'Show an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "password" -d 'Set another password'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "disable" -d 'Refuse sign-in and end all sessions'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "enable" -d 'Allow sign-in again'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "delete" -d 'Delete an account and everything that is kept for it'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "role" -d 'Let an account use every command, or no longer'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "roster" -d 'List the contacts of an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "count" -d 'Count accounts'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from invite" -f -a "create" -d 'Make a link that lets a person make an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from invite" -f -a "list" -d 'List invitations that can still be used'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from invite" -f -a "revoke" -d 'Withdraw an invitation'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from file" -f -a "list" -d 'List uploaded files'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from file" -f -a "delete" -d 'Delete an uploaded file'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from sessions" -f -a "end" -d 'End the sessions of an account, or one of them'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from sessions" -f -a "reset" -d 'Have every client negotiate encryption and authentication anew'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from pubsub" -f -a "list" -d 'List the nodes of an account or a service'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from pubsub" -f -a "show" -d 'Show a node: its configuration, who is what to it, and how much it holds'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from pubsub" -f -a "delete" -d 'Delete a node, with all that was published at it'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from room" -f -a "list" -d 'List rooms'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from room" -f -a "show" -d 'Show a room: its configuration, and who is what to it'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from room" -f -a "create" -d 'Make a room that lasts'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from room" -f -a "config" -d 'Change an option of a room'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from room" -f -a "affiliation" -d 'Change what somebody is to a room'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from room" -f -a "destroy" -d 'End a room, with all that was said in it'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "create" -d 'Make a token by which a program acts for an account'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "list" -d 'List tokens by which programs act for accounts'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from token" -f -a "revoke" -d 'Withdraw a token'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from webhook" -f -a "add" -d 'Make a webhook'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from webhook" -f -a "list" -d 'List webhooks'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from webhook" -f -a "remove" -d 'Withdraw a webhook, with its dead letters'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from webhook" -f -a "dead" -d 'List what could not be delivered to a webhook'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from webhook" -f -a "redeliver" -d 'Try once more what could not be delivered to a webhook'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from federation" -f -a "block" -d 'Have nothing to do with an address elsewhere, or with a whole domain'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from federation" -f -a "unblock" -d 'Speak again with an address or domain that was blocked'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from federation" -f -a "blocked" -d 'List the addresses and domains that are blocked'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from federation" -f -a "admit" -d 'Have to do only with an address elsewhere, or a whole domain, and others that are admitted'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from federation" -f -a "dismiss" -d 'Take an address or domain off the list of those who are admitted'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from federation" -f -a "admitted" -d 'List the addresses and domains that alone are admitted'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from motd" -f -a "show" -d 'Show the message of the day'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from motd" -f -a "set" -d 'Put up a message of the day'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from motd" -f -a "edit" -d 'Change the message of the day'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from motd" -f -a "delete" -d 'Take the message of the day down'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from welcome" -f -a "show" -d 'Show what newcomers are told'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from welcome" -f -a "set" -d 'Decide what newcomers are told'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from welcome" -f -a "delete" -d 'Tell newcomers nothing any more'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "verify" -d 'Check that the audit log is whole'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and __fish_seen_subcommand_from migrate" -f -a "sqlite-to-postgres" -d 'Move everything from the embedded database to PostgreSQL, while no server runs'
