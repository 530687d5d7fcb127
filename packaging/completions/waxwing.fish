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
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "reload" -d 'Read the configuration and the certificates again'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "stop" -d 'Stop the server'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "version" -d 'Show the version of this program'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "completions" -d 'Write the completions of a shell'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "man" -d 'Write a manual page, in roff'
complete -c waxwing -n "__fish_waxwing_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c waxwing -n "__fish_waxwing_using_subcommand serve" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand serve" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand serve" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand status" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand status" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand reload" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand reload" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand stop" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand stop" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand version" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand version" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c waxwing -n "__fish_waxwing_using_subcommand completions" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand completions" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand completions" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand man" -s c -l config -d 'The configuration file [default: ./waxwing.toml, if there is one]' -r -F
complete -c waxwing -n "__fish_waxwing_using_subcommand man" -l json -d 'Write the result, or the error, as JSON'
complete -c waxwing -n "__fish_waxwing_using_subcommand man" -s h -l help -d 'Print help'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status reload stop version completions man help" -f -a "serve" -d 'Start the server (also without any command)'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status reload stop version completions man help" -f -a "status" -d 'Show how the running server is doing'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status reload stop version completions man help" -f -a "reload" -d 'Read the configuration and the certificates again'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status reload stop version completions man help" -f -a "stop" -d 'Stop the server'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status reload stop version completions man help" -f -a "version" -d 'Show the version of this program'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status reload stop version completions man help" -f -a "completions" -d 'Write the completions of a shell'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status reload stop version completions man help" -f -a "man" -d 'Write a manual page, in roff'
complete -c waxwing -n "__fish_waxwing_using_subcommand help; and not __fish_seen_subcommand_from serve status reload stop version completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
