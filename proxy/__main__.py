"""`python -m proxy` is `holdover`."""

from proxy.cli import main

main()
