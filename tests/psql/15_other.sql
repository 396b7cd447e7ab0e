\dp
\db
\dC int2
\dD
\dE
\ds
\dO
