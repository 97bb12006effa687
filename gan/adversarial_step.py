"""One training step of a generative adversarial network: D's update, then G's."""

from nn import Adam, RunError, Sigmoid


class AdversarialStep:
    """G and D with all that one step of each needs: optimizers, the caches of the live passes, the input buffers.

    generator, discriminator: built networks on one device. noise_stream: where z comes from. Errors: `RunError` where G's
    images do not fit D, or D does not give one number an image; `ShapeError` from the layer that does not fit.
    """

    def __init__(self, generator, discriminator, recipe, batch_size, learning_rate, noise_stream):
        self.ops, self.recipe, self.n = generator.ops, recipe, batch_size
        self.noise_stream = noise_stream
        self.G = generator
        # Losses work on logits: a final sigmoid is left to them, so that a confident mistake keeps its gradient.
        self.D = discriminator[:-1] if isinstance(discriminator[-1], Sigmoid) else discriminator
        self.g_optimizer = Adam(generator, learning_rate, beta1=recipe.beta1)
        self.d_optimizer = Adam(discriminator, learning_rate, beta1=recipe.beta1)
        # Running statistics follow one pass of each network a step: G's own update, and D's pass over training images.
        self.g_cache, self.g_fake_cache = generator.cache(), generator.cache(tracks_statistics=False)
        self.d_cache, self.d_fake_cache = self.D.cache(), self.D.cache(tracks_statistics=False)
        self.frozen_cache = self.D.cache(tracks_statistics=False)
        # Without batch norm, images do not see each other, and D takes real and generated ones in one pass.
        self.one_pass = not any(leaf.statistic_shapes for _, leaf in discriminator.leaves())

        last = list(self.D.leaves())[-1][1]
        if isinstance(last, Sigmoid):
            raise RunError(f"discriminator: expected logits, or a Sigmoid as the network's own last layer, got {last.label} inside")
        if generator.dtype != discriminator.dtype:
            raise RunError(f"discriminator: expected {generator.dtype} as the generator's, got {discriminator.dtype}")
        if batch_size < 2 and any(leaf.statistic_shapes for net in (generator, discriminator) for _, leaf in net.leaves()):
            raise RunError(f"batch size: expected at least 2, which batch norm needs in {recipe.name}, got {batch_size}")
        image_shape = generator.output_shape((recipe.latent.size,))
        if self.D.output_shape(image_shape) != (1,):
            raise RunError(f"discriminator: expected one number an image, got shape {self.D.output_shape(image_shape)}")
        self.z = self.ops.empty((batch_size, recipe.latent.size), generator.dtype)
        self.images = self.ops.empty((2 * batch_size, *image_shape), generator.dtype)  # real ones, then generated
        self.real, self.fake = self.images[:batch_size], self.images[batch_size:]
        self.real_rows = self.real.reshape(batch_size, -1)
        self.dlogits = self.ops.empty((2 * batch_size, 1), generator.dtype)

    def __call__(self, log):
        """One step on the training images in `self.real_rows`; losses and D's outputs go into the arrays of `log`."""
        self.update_discriminator(log)
        self.update_generator(log)

    def draw_noise(self):
        return self.recipe.latent.draw_(self.z, self.noise_stream)

    def update_discriminator(self, log):
        self.ops.copy_(self.fake, self.G.forward(self.draw_noise(), self.g_fake_cache, train=True))
        if self.one_pass:
            logits = self.D.forward(self.images, self.d_cache, train=True)
            self.losses(logits[: self.n], logits[self.n :], log)
            self.D.backward(self.dlogits, self.d_cache, grads="write", need_dx=False)
        else:
            real_logits = self.D.forward(self.real, self.d_cache, train=True)
            fake_logits = self.D.forward(self.fake, self.d_fake_cache, train=True)
            self.losses(real_logits, fake_logits, log)
            self.D.backward(self.dlogits[: self.n], self.d_cache, grads="write", need_dx=False)
            self.D.backward(self.dlogits[self.n :], self.d_fake_cache, grads="add", need_dx=False)
        self.d_optimizer.step()

    def losses(self, real_logits, fake_logits, log):
        """D's losses and mean outputs into the log, its gradients into dlogits."""
        objective = self.recipe.objective
        objective.real(real_logits, self.d_cache, dy=self.dlogits[: self.n], value=log["d_loss_real"])
        objective.fake(fake_logits, self.d_cache, dy=self.dlogits[self.n :], value=log["d_loss_fake"])
        self.ops.mean_sigmoid(real_logits, out=log["d_real"])
        self.ops.mean_sigmoid(fake_logits, out=log["d_fake"])

    def update_generator(self, log):
        fake = self.G.forward(self.draw_noise(), self.g_cache, train=True)  # fresh noise
        logits = self.D.forward(fake, self.frozen_cache, train=True)  # the updated D
        _, dlogits = self.recipe.objective.generator(logits, self.frozen_cache, value=log["g_loss"])
        dfake = self.D.backward(dlogits, self.frozen_cache, grads="skip")  # through D as it is: dL/dimages
        self.G.backward(dfake, self.g_cache, grads="write", need_dx=False)
        self.g_optimizer.step()
