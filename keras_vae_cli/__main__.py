from keras_vae_cli.main import main

main()
