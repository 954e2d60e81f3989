//! plumb-git against real repositories made by the `git` program: by file, over `git http-backend`, in this process and in
//! real worker processes.

mod local;
mod pool;
mod repository;
