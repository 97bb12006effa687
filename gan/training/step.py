"""One training step of a generative adversarial network: D's update, then G's."""

from gan.training.uncopyable import Uncopyable
from nn import Adam, BatchNorm, RunError, Sigmoid
from nn.layers.base import Layer

LONGEST_START = 10  # in the first steps, G's average reaches over the last tenth of them only


class AdversarialStep(Uncopyable):
    """G and D with all that one step of each needs: optimizers, the caches of the live passes, the input buffers.

    generator, discriminator: built networks on one device. noise_stream: where z comes from. average: a built copy of the
    generator that follows it, or None. Errors: `RunError` where G's images do not fit D, D does not give one number for an
    image (one for each class if the recipe has kinds), or the recipe asks of them what they cannot do; `ShapeError` from
    the layer that does not fit.
    """

    def __init__(self, generator, discriminator, recipe, batch_size, learning_rate, noise_stream, average=None):
        self.ops, self.recipe, self.n = generator.ops, recipe, batch_size
        self.noise_stream = noise_stream
        self.G, self.average = generator, average
        # Losses work on logits: a final sigmoid is left to them, so that a confident mistake keeps its gradient.
        self.D = discriminator[:-1] if isinstance(discriminator[-1], Sigmoid) else discriminator
        self.g_optimizer = Adam(generator, learning_rate, beta1=recipe.beta1, beta2=recipe.beta2)
        self.d_optimizer = Adam(discriminator, learning_rate, beta1=recipe.beta1, beta2=recipe.beta2)
        # Running statistics follow one pass of each network a step: G's own update, and D's pass over training images.
        self.g_cache, self.g_fake_cache = generator.cache(), generator.cache(tracks_statistics=False)
        self.d_cache = self.D.cache(double_backward=recipe.penalty is not None)
        self.d_fake_cache, self.frozen_cache = self.D.cache(tracks_statistics=False), self.D.cache(tracks_statistics=False)
        self.pair_cache = self.D.cache(tracks_statistics=False)
        self.between_cache = self.D.cache(tracks_statistics=False, double_backward=True)
        # Without batch norm, images do not see each other, and D takes real and generated ones in one pass.
        self.one_pass = not has_batchnorm(discriminator)
        image_shape = generator.output_shape((recipe.inputs,))
        self._check(discriminator, batch_size, image_shape)

        def empty(*shape):
            return self.ops.empty(shape, generator.dtype)

        self.inputs = empty(batch_size, recipe.inputs)  # G's: noise, then the class as a row of zeros with a one in it
        self.z = empty(batch_size, recipe.latent.size) if recipe.kinds else self.inputs
        self.labels = self.inputs[:, recipe.latent.size :]
        self.images = empty(2 * batch_size, *image_shape)  # real ones, then generated
        self.real, self.fake = self.images[:batch_size], self.images[batch_size:]
        self.real_rows = self.real.reshape(batch_size, -1)
        for cache in (self.g_cache, self.g_fake_cache):  # G's last layer writes where D reads
            cache.write_output_to(self.fake)
        # What D judges at once: an image, or `pack` of them as its channels.
        self.judged = batch_size // recipe.pack
        self.d_images = self.images.reshape(2 * self.judged, recipe.pack * image_shape[0], *image_shape[1:])
        self.d_real, self.d_fake = self.d_images[: self.judged], self.d_images[self.judged :]
        self.logits, self.dlogits = empty(2 * self.judged, 1), empty(2 * self.judged, 1)
        self.asked = empty(2 * self.judged, recipe.kinds or 1)  # which of D's outputs is asked, for each image
        self.ops.fill_(self.asked, 1)
        self.one = self.ops.zeros((recipe.kinds or 1, 1), generator.dtype)
        self.ops.fill_(self.one, 1)

    def __call__(self, log, number=0):
        """One step, the number-th counted from 0, on the training images in `self.real_rows`, and, if the recipe has kinds,
        their classes in `self.labels`; losses and D's outputs go into the arrays of `log`."""
        if self.recipe.kinds:  # generated images are asked for in the classes of the real ones
            self.ops.copy_(self.asked[: self.judged], self.labels)
            self.ops.copy_(self.asked[self.judged :], self.labels)
        self.update_discriminator(log, number)
        self.update_generator(log)
        if self.average is not None:
            self.follow(number)

    def draw_noise(self):
        """G's input: new noise beside the classes."""
        self.recipe.latent.draw_(self.z, self.noise_stream)
        if self.z is not self.inputs:
            self.ops.copy_(self.inputs[:, : self.recipe.latent.size], self.z)
        return self.inputs

    def generate(self, cache):
        """G's images of new noise, into `self.fake`."""
        made = self.G.forward(self.draw_noise(), cache, train=True)
        if made is not self.fake:  # a last layer that gives something else than its buffer "y"
            self.ops.copy_(self.fake, made)

    def update_discriminator(self, log, number=0):
        self.generate(self.g_fake_cache if self.recipe.fresh_noise else self.g_cache)
        if self.one_pass:
            logits = self.answers(self.D.forward(self.d_images, self.d_cache, train=True), slice(None))
            self.losses(logits[: self.judged], logits[self.judged :], log)
            self.backward(self.d_cache, slice(None), grads="write", need_dx=False)
        else:
            real, fake = slice(self.judged), slice(self.judged, None)
            real_logits = self.answers(self.D.forward(self.d_real, self.d_cache, train=True), real)
            fake_logits = self.answers(self.D.forward(self.d_fake, self.d_fake_cache, train=True), fake)
            self.losses(real_logits, fake_logits, log)
            self.backward(self.d_cache, real, grads="write", need_dx=False)
            self.backward(self.d_fake_cache, fake, grads="add", need_dx=False)
        penalty = self.recipe.penalty
        if penalty and number % penalty.every == 0:
            penalty.add(self, log["penalty"])
        elif penalty:
            self.ops.fill_(log["penalty"], 0)
        self.d_optimizer.step()

    def losses(self, real_logits, fake_logits, log):
        """D's losses and mean outputs into the log, its gradients into dlogits."""
        self.recipe.objective.discriminator(
            real_logits, fake_logits, self.d_cache, d_real=self.dlogits[: self.judged], d_fake=self.dlogits[self.judged :],
            real_value=log["d_loss_real"], fake_value=log["d_loss_fake"],
        )  # fmt: skip
        self.ops.mean_sigmoid(real_logits, out=log["d_real"])
        self.ops.mean_sigmoid(fake_logits, out=log["d_fake"])

    def update_generator(self, log):
        objective, fakes = self.recipe.objective, slice(self.judged, None)
        if self.recipe.fresh_noise:
            self.generate(self.g_cache)
        logits = self.answers(self.D.forward(self.d_fake, self.frozen_cache, train=True), fakes)  # the updated D
        out = {"dy": self.dlogits[fakes], "value": log["g_loss"]}
        if objective.pairs:
            out["real"] = self.answers(self.D.forward(self.d_real, self.pair_cache, train=True), slice(self.judged))
        objective.generator(logits, self.frozen_cache, **out)
        dfake = self.backward(self.frozen_cache, fakes, grads="skip")  # through D as it is: dL/dimages
        dfake = self.frozen_cache.contiguous("dfake", dfake).reshape(self.fake.shape)
        self.G.backward(dfake, self.g_cache, grads="write", need_dx=False)
        self.g_optimizer.step()

    def answers(self, outputs, rows):
        """D's logits (n, 1) for the images of these rows: its only output, or that for the class which is asked."""
        if not self.recipe.kinds:
            return outputs
        asked = self.D.ops.multiply(outputs, self.asked[rows], out=self.frozen_cache.buffer("asked", outputs.shape))
        return self.ops.gemm(asked, self.one, out=self.logits[rows])  # sum over k of asked_k D_k

    def backward(self, cache, rows, **how):
        """Through D from the gradients of these logits."""
        dlogits = self.dlogits[rows]
        if self.recipe.kinds:  # an output that is not asked for has no gradient
            outputs = self.asked[rows]
            dlogits = self.ops.multiply(outputs, dlogits, out=cache.buffer("doutputs", outputs.shape))
        return self.D.backward(dlogits, cache, **how)

    def follow(self, number):
        """The average goes toward G: a (1 - weight) + G weight, running statistics too.

        The weight, and whose turn the penalty is, follow from the step's number, which the host knows without a look at the
        device; only a captured step would want them there, as the optimizers' clock is.
        """
        weight = max(1 - self.recipe.average, LONGEST_START / (LONGEST_START + number))
        for ours, its in (
            (self.average.parameters.value, self.G.parameters.value),
            (self.average.parameters.statistics, self.G.parameters.statistics),
        ):
            self.ops.moving_average_(ours.flat, its.flat, weight)

    def _check(self, discriminator, batch_size, image_shape):
        recipe, last = self.recipe, list(self.D.modules())[-1][1]
        if isinstance(last, Sigmoid):
            raise RunError(f"discriminator: expected logits, or a Sigmoid as the network's own last layer, got {last.label} inside")
        if self.G.dtype != discriminator.dtype:
            raise RunError(f"discriminator: expected {self.G.dtype} as the generator's, got {discriminator.dtype}")
        if batch_size < 2 and (has_batchnorm(self.G) or has_batchnorm(discriminator)):
            raise RunError(f"batch size: expected at least 2, which batch norm needs in {recipe.name}, got {batch_size}")
        if batch_size % recipe.pack:
            raise RunError(f"batch size: expected a multiple of {recipe.pack}, the images that D judges at once, got {batch_size}")
        if recipe.pack > 1 and recipe.kinds:
            raise RunError(f"recipe {recipe.name}: expected pack=1 with classes, got {recipe.pack}")
        outputs = self.D.output_shape((recipe.pack * image_shape[0], *image_shape[1:]))
        if outputs != (recipe.kinds or 1,):
            wanted = f"{recipe.kinds} numbers, one for each class," if recipe.kinds else "one number"
            raise RunError(f"discriminator: expected {wanted} an image, got shape {outputs}")
        for _, leaf in self.D.modules() if recipe.penalty else ():
            if type(leaf).double_backward is Layer.double_backward:
                raise RunError(
                    f"penalty: expected a discriminator whose layers all have double_backward, {leaf.label} does not; "
                    "train it without a penalty, or without that layer"
                )


def has_batchnorm(network):
    """Whether any layer makes a batch's images see each other."""
    return any(isinstance(leaf, BatchNorm) for _, leaf in network.modules())
