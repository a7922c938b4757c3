module dpr

go 1.25.0
