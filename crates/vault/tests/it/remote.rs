//! One suite for every key service in the network: what each must do, and what each must do when the
//! network or the service misbehaves. The services behind it are named in the files below.

mod aws;
mod aws_credentials;
mod azure;
mod google;
mod openbao;
mod stage;
mod suite;
