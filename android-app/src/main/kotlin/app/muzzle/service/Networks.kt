package app.muzzle.service

import android.content.Context
import android.net.ConnectivityManager
import android.net.LinkProperties
import android.net.Network
import android.os.Handler

/** Tells of the network under the VPN: our own package is outside, so it is our default network. */
class Networks(
    context: Context,
    private val changed: (List<String>) -> Unit,
    private val lost: () -> Unit,
) : ConnectivityManager.NetworkCallback() {
    private val connectivity = context.connectivity

    fun watch(handler: Handler) = connectivity.registerDefaultNetworkCallback(this, handler)

    fun unwatch() = connectivity.unregisterNetworkCallback(this)

    override fun onLinkPropertiesChanged(
        network: Network,
        properties: LinkProperties,
    ) = changed(resolversOf(properties))

    override fun onLost(network: Network) = lost()
}

internal val Context.connectivity: ConnectivityManager
    get() = checkNotNull(getSystemService(ConnectivityManager::class.java))

/** Eight at most. A link-local address means nothing without its interface, which the core is not told. */
fun resolversOf(properties: LinkProperties): List<String> =
    properties.dnsServers
        .filterNot { it.isLinkLocalAddress }
        .mapNotNull { it.hostAddress }
        .take(MAX_RESOLVERS)

/** The provider that Private DNS is set to by name, which hides all names from us; null otherwise. */
fun privateDnsName(context: Context): String? {
    val connectivity = context.connectivity
    val properties = connectivity.activeNetwork?.let(connectivity::getLinkProperties) ?: return null
    return if (NewerApi.hasPrivateDns) NewerApi.privateDnsName(properties) else null
}

private const val MAX_RESOLVERS = 8
