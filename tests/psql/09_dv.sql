\dv
