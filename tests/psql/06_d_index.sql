\d campaigns_pkey
\d nothing
\d c*
