\di
