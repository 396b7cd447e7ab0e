\dn
\dn+
