\du
\dg
