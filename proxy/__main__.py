"""`python -m proxy` is `holdover`."""

# ruff: noqa: E402 - nothing is imported before it is said from where

from proxy.import_path import forget_working_directory

forget_working_directory()

from proxy.cli import main

main()
