"""The client's side: builds rooms, verifies the enclave, encrypts and decrypts. Its face is `cloister` itself."""
