"""`python -m holdover` is `holdover`."""

from holdover import main

main()
