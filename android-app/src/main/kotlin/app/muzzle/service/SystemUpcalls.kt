package app.muzzle.service

import android.content.Context
import app.muzzle.core.NativeCore
import java.net.InetAddress
import java.net.InetSocketAddress

/** What the core asks of the system. Called on the core's threads. */
class SystemUpcalls(
    context: Context,
    private val coreEnded: () -> Unit,
) : NativeCore.Upcalls {
    private val connectivity = context.connectivity

    override fun connectionOwner(
        protocol: Int,
        source: ByteArray,
        sourcePort: Int,
        destination: ByteArray,
        destinationPort: Int,
    ): Int {
        if (!NewerApi.hasOwners) return NOBODY
        val from = InetSocketAddress(InetAddress.getByAddress(source), sourcePort)
        val to = InetSocketAddress(InetAddress.getByAddress(destination), destinationPort)
        return NewerApi.owner(connectivity, protocol, from, to)
    }

    /** Not asked for: our own package is outside the VPN. */
    override fun protect(fd: Int) = false

    override fun ended(code: String) = coreEnded()

    private companion object {
        const val NOBODY = -1
    }
}
