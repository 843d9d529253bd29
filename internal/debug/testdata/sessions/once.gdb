# program: basic
# torov: --gdbserver --once
CONNECT
disconnect
