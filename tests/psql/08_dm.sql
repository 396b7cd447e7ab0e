\dm
