\dt
\dt camp*
\dt public.*events
\dt nothing
