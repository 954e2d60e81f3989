object a4ec7295c523ccc5d20e44ac4cfb814c99bdb334
type commit
tag v1
tagger Ada <ada@example.com> 1795271071 +0000

Version one
-----BEGIN PGP SIGNATURE-----

iIYEABYIAC4WIQQLrmkagNgpH3v/pkOm4l0eMaT3ewUCZlpkgBAcYWRhQGV4YW1w
bGUuY29tAAoJEKbiXR4xpPd7jscA/0UjZLtHtsh1vby8ZHCUkBjUBGiVyoQN4F99
6tw6/i0EAP9nxdKdpTzsdsfAtMC9Tsb++eZM4ExO9GTPM1Q3m056DQ==
=FuoA
-----END PGP SIGNATURE-----
